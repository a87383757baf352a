// RUN: llmc-opt %s | llmc-opt | FileCheck %s

func.func @f(%x: tensor<?x9xf32>, %t: tensor<?xi32>) -> tensor<?x1xf32> {
// CHECK: nn.cross_entropy %{{.*}}, %{{.*}} : tensor<?x9xf32>, tensor<?xi32> -> tensor<?x1xf32>
  %0 = nn.cross_entropy %x, %t : tensor<?x9xf32>, tensor<?xi32> -> tensor<?x1xf32>
// CHECK: nn.cross_entropy %{{.*}}, %{{.*}} smoothing 1.000000e-01 : tensor<?x9xf32>, tensor<?xi32> -> tensor<?x1xf32>
  %1 = nn.cross_entropy %x, %t smoothing 0.1 : tensor<?x9xf32>, tensor<?xi32> -> tensor<?x1xf32>
  return %0 : tensor<?x1xf32>
}
