// RUN: llmc-opt %s | llmc-opt | FileCheck %s

func.func @f(%x: tensor<?x6xf32>) -> tensor<?x6xf32> {
// CHECK: %{{.*}} = nn.relu %{{.*}} : tensor<?x6xf32>
  %0 = nn.relu %x : tensor<?x6xf32>
  return %0 : tensor<?x6xf32>
}
