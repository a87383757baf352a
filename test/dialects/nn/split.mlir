// RUN: llmc-opt %s | llmc-opt | FileCheck %s

func.func @f(%x: tensor<?x9xf32>) -> tensor<?x5xf32> {
// CHECK: %{{.*}}:2 = nn.split %{{.*}} : tensor<?x9xf32> -> tensor<?x5xf32>, tensor<?x4xf32>
  %a, %b = nn.split %x : tensor<?x9xf32> -> tensor<?x5xf32>, tensor<?x4xf32>
  return %a : tensor<?x5xf32>
}
