// RUN: llmc-opt %s | llmc-opt | FileCheck %s

func.func @f(%x: tensor<?x6xf32>) -> tensor<?x6xf32> {
// CHECK: %{{.*}} = nn.softcap %{{.*}} to 3.000000e+01 : tensor<?x6xf32>
  %0 = nn.softcap %x to 3.000000e+01 : tensor<?x6xf32>
  return %0 : tensor<?x6xf32>
}
