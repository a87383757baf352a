// RUN: llmc-opt %s | llmc-opt | FileCheck %s

func.func @f(%x: tensor<?x6xf32>, %rows: tensor<?xi32>, %draw: tensor<3xi32>) -> tensor<?x6xf32> {
// CHECK: nn.dropout %{{.*}} rows %{{.*}} draw %{{.*}} rate 1.000000e-01 stream 16 : tensor<?x6xf32>, tensor<?xi32>, tensor<3xi32>
  %0 = nn.dropout %x rows %rows draw %draw rate 0.1 stream 16 : tensor<?x6xf32>, tensor<?xi32>, tensor<3xi32>
  return %0 : tensor<?x6xf32>
}
