// RUN: llmc-opt %s | llmc-opt | FileCheck %s

func.func @f(%x: tensor<?x6xf32>) -> tensor<?x6xf32> {
// CHECK: %{{.*}} = nn.gelu exact %{{.*}} : tensor<?x6xf32>
  %0 = nn.gelu exact %x : tensor<?x6xf32>
// CHECK: %{{.*}} = nn.gelu tanh %{{.*}} : tensor<?x6xf32>
  %1 = nn.gelu tanh %0 : tensor<?x6xf32>
// CHECK: %{{.*}} = nn.gelu sigmoid %{{.*}} : tensor<?x6xf32>
  %2 = nn.gelu sigmoid %1 : tensor<?x6xf32>
  return %2 : tensor<?x6xf32>
}
