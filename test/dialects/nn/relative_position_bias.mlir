// RUN: llmc-opt %s | llmc-opt | FileCheck %s

func.func @f(%p: tensor<?xi32>, %t: tensor<32x8xf32>) -> tensor<?x?xf32> {
// CHECK: nn.relative_position_bias %{{.*}}, %{{.*}}, %{{.*}} max_distance 128 bidirectional : tensor<?xi32>, tensor<?xi32>, tensor<32x8xf32> -> tensor<?x?xf32>
  %0 = nn.relative_position_bias %p, %p, %t max_distance 128 bidirectional : tensor<?xi32>, tensor<?xi32>, tensor<32x8xf32> -> tensor<?x?xf32>
  return %0 : tensor<?x?xf32>
}
