// RUN: llmc-opt %s | llmc-opt | FileCheck %s

func.func @f(%x: tensor<?x6xf32>) -> tensor<?x6xf32> {
// CHECK: %{{.*}} = nn.scale %{{.*}} by 3.350000e+01 : tensor<?x6xf32>
  %0 = nn.scale %x by 3.350000e+01 : tensor<?x6xf32>
  return %0 : tensor<?x6xf32>
}
