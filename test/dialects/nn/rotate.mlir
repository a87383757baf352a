// RUN: llmc-opt %s | llmc-opt | FileCheck %s

func.func @f(%x: tensor<?x24xf32>, %t: tensor<?x6xf32>) -> tensor<?x24xf32> {
// CHECK: %{{.*}} = nn.rotate %{{.*}} by %{{.*}} heads 3 half : tensor<?x24xf32>, tensor<?x6xf32>
  %0 = nn.rotate %x by %t heads 3 half : tensor<?x24xf32>, tensor<?x6xf32>
// CHECK: %{{.*}} = nn.rotate %{{.*}} by %{{.*}} heads 3 interleaved : tensor<?x24xf32>, tensor<?x6xf32>
  %1 = nn.rotate %0 by %t heads 3 interleaved : tensor<?x24xf32>, tensor<?x6xf32>
  return %1 : tensor<?x24xf32>
}
