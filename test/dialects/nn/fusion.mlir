// RUN: llmc-opt %s | llmc-opt | FileCheck %s

func.func @f(%x: tensor<?x7xf32>, %n: tensor<7xf32>, %w: tensor<5x7xf32>) -> tensor<?x5xf32> {
// CHECK: %{{.*}} = nn.fusion(%{{.*}} = %{{.*}}, %{{.*}} = %{{.*}}, %{{.*}} = %{{.*}}) : (tensor<?x7xf32>, tensor<7xf32>, tensor<5x7xf32>) -> tensor<?x5xf32>
  %0 = nn.fusion(%a = %x, %b = %n, %c = %w) : (tensor<?x7xf32>, tensor<7xf32>, tensor<5x7xf32>) -> tensor<?x5xf32> {
// CHECK: %{{.*}} = nn.rms_norm %{{.*}}, %{{.*}} epsilon 1.000000e-05 : tensor<?x7xf32>, tensor<7xf32>
    %1 = nn.rms_norm %a, %b epsilon 1.000000e-05 : tensor<?x7xf32>, tensor<7xf32>
// CHECK: %{{.*}} = nn.linear %{{.*}}, %{{.*}} : tensor<?x7xf32>, tensor<5x7xf32> -> tensor<?x5xf32>
    %2 = nn.linear %1, %c : tensor<?x7xf32>, tensor<5x7xf32> -> tensor<?x5xf32>
// CHECK: nn.yield %{{.*}} : tensor<?x5xf32>
    nn.yield %2 : tensor<?x5xf32>
  }
  return %0 : tensor<?x5xf32>
}
