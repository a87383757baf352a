// RUN: llmc-opt %s | llmc-opt | FileCheck %s

nn.param @w : tensor<20x64x!nn.block<q8_0>>
nn.param @p : tensor<2x2x576xi8> = {
  %0 = nn.load @w : tensor<20x64x!nn.block<q8_0>>
  // CHECK: %{{.*}} = nn.pack %{{.*}} lanes 16 : tensor<20x64x!nn.block<q8_0>> -> tensor<2x2x576xi8>
  %1 = nn.pack %0 lanes 16 : tensor<20x64x!nn.block<q8_0>> -> tensor<2x2x576xi8>
  nn.yield %1 : tensor<2x2x576xi8>
}
