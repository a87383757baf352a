// RUN: llmc-opt %s | llmc-opt | FileCheck %s

// CHECK: !nn.block<q8_0>{{.*}}<q4_0>{{.*}}<q4_1>{{.*}}<q5_0>{{.*}}<q5_1>{{.*}}<q2_k>{{.*}}<q3_k>{{.*}}<q4_k>{{.*}}<q5_k>{{.*}}<q6_k>{{.*}}<iq4_nl>{{.*}}<iq4_xs>{{.*}}<mxfp4>
func.func private @blocks(tensor<1x256x!nn.block<q8_0>>, tensor<1x256x!nn.block<q4_0>>, tensor<1x256x!nn.block<q4_1>>,
                          tensor<1x256x!nn.block<q5_0>>, tensor<1x256x!nn.block<q5_1>>, tensor<1x256x!nn.block<q2_k>>,
                          tensor<1x256x!nn.block<q3_k>>, tensor<1x256x!nn.block<q4_k>>, tensor<1x256x!nn.block<q5_k>>,
                          tensor<1x256x!nn.block<q6_k>>, tensor<1x256x!nn.block<iq4_nl>>, tensor<1x256x!nn.block<iq4_xs>>,
                          tensor<1x256x!nn.block<mxfp4>>)
// CHECK: func.func private @products(tensor<1x160x!nn.block<q16_k>>, tensor<1x160x!nn.block<q8_k>>, tensor<1x160x!nn.block<q4_1, aligned>>)
func.func private @products(tensor<1x160x!nn.block<q16_k>>, tensor<1x160x!nn.block<q8_k>>, tensor<1x160x!nn.block<q4_1, aligned>>)
// CHECK: func.func private @caches(!nn.kv_cache<3x64xf32>, !nn.kv_cache<1x32x!nn.block<q8_0>>)
func.func private @caches(!nn.kv_cache<3x64xf32>, !nn.kv_cache<1x32x!nn.block<q8_0>>)
