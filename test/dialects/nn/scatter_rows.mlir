// RUN: llmc-opt %s | llmc-opt | FileCheck %s

func.func @f(%x: tensor<?x9xf32>, %r: tensor<?xi32>) -> tensor<7x9xf32> {
// CHECK: nn.scatter_rows %{{.*}}, %{{.*}} : tensor<?x9xf32>, tensor<?xi32> -> tensor<7x9xf32>
  %0 = nn.scatter_rows %x, %r : tensor<?x9xf32>, tensor<?xi32> -> tensor<7x9xf32>
  return %0 : tensor<7x9xf32>
}
