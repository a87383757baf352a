// RUN: llmc-opt %s --nn-interpret -o /dev/null | FileCheck %s
// A packed weight stands for the numbers that it was packed from.

nn.param @w : tensor<3x2xf32> = {
  %0 = arith.constant dense<[[1.0, -2.0], [3.5, 0.25], [-7.0, 8.0]]> : tensor<3x2xf32>
  nn.yield %0 : tensor<3x2xf32>
}
nn.param @p : tensor<2x2x8xi8> = {
  %0 = nn.load @w : tensor<3x2xf32>
  %1 = nn.pack %0 lanes 2 : tensor<3x2xf32> -> tensor<2x2x8xi8>
  nn.yield %1 : tensor<2x2x8xi8>
}

// CHECK: @main result 0: tensor<2x2x8xi8>
// CHECK-NEXT: [1, -2]
// CHECK-NEXT: [3.5, 0.25]
// CHECK-NEXT: [-7, 8]
// CHECK-NOT: [
func.func @main() -> tensor<2x2x8xi8> {
  %0 = nn.load @p : tensor<2x2x8xi8>
  return %0 : tensor<2x2x8xi8>
}
