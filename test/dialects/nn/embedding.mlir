// RUN: llmc-opt %s | llmc-opt | FileCheck %s

func.func @f(%ids: tensor<?xi32>, %table: tensor<11x64x!nn.block<q4_1>>) -> tensor<?x64xf32> {
// CHECK: %{{.*}} = nn.embedding %{{.*}}, %{{.*}} : tensor<?xi32>, tensor<11x64x!nn.block<q4_1>> -> tensor<?x64xf32>
  %0 = nn.embedding %ids, %table : tensor<?xi32>, tensor<11x64x!nn.block<q4_1>> -> tensor<?x64xf32>
  return %0 : tensor<?x64xf32>
}
