// RUN: llmc-opt %s | llmc-opt | FileCheck %s

func.func @f(%x: tensor<?x6xf32>, %w: tensor<6xf32>, %b: tensor<6xf32>) -> tensor<?x6xf32> {
// CHECK: %{{.*}} = nn.layer_norm %{{.*}}, %{{.*}} epsilon 1.000000e-05 : tensor<?x6xf32>, tensor<6xf32>
  %0 = nn.layer_norm %x, %w epsilon 1.000000e-05 : tensor<?x6xf32>, tensor<6xf32>
// CHECK: %{{.*}} = nn.layer_norm %{{.*}}, %{{.*}} bias %{{.*}} epsilon 1.000000e-04 : tensor<?x6xf32>, tensor<6xf32>, tensor<6xf32>
  %1 = nn.layer_norm %0, %w bias %b epsilon 1.000000e-04 : tensor<?x6xf32>, tensor<6xf32>, tensor<6xf32>
  return %1 : tensor<?x6xf32>
}
