// RUN: llmc-opt %s | llmc-opt | FileCheck %s

func.func @f(%x: tensor<?x6xf32>, %w: tensor<6xf32>, %g: tensor<3xf32>) -> tensor<?x6xf32> {
// CHECK: %{{.*}} = nn.rms_norm %{{.*}}, %{{.*}} epsilon 1.000000e-05 : tensor<?x6xf32>, tensor<6xf32>
  %0 = nn.rms_norm %x, %w epsilon 1.000000e-05 : tensor<?x6xf32>, tensor<6xf32>
// CHECK: %{{.*}} = nn.rms_norm %{{.*}}, %{{.*}} epsilon 1.000000e-04 : tensor<?x6xf32>, tensor<3xf32>
  %1 = nn.rms_norm %0, %g epsilon 1.000000e-04 : tensor<?x6xf32>, tensor<3xf32>
  return %1 : tensor<?x6xf32>
}
