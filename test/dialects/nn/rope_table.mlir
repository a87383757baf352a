// RUN: llmc-opt %s | llmc-opt | FileCheck %s

func.func @f(%p: tensor<?xi32>) -> tensor<?x8xf32> {
// CHECK: %{{.*}} = nn.rope_table %{{.*}} dims 8 theta 1.000000e+04 : tensor<?xi32> -> tensor<?x8xf32>
  %0 = nn.rope_table %p dims 8 theta 1.000000e+04 : tensor<?xi32> -> tensor<?x8xf32>
// CHECK: %{{.*}} = nn.rope_table %{{.*}} dims 8 theta 1.000000e+04 scaling <linear, factor = 2.000000e+00 : f64> : tensor<?xi32> -> tensor<?x8xf32>
  %1 = nn.rope_table %p dims 8 theta 1.000000e+04 scaling <linear, factor = 2.000000e+00 : f64> : tensor<?xi32> -> tensor<?x8xf32>
  %2 = arith.addf %0, %1 : tensor<?x8xf32>
  return %2 : tensor<?x8xf32>
}
