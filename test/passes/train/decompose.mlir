// RUN: llmc-opt %s --nn-decompose --verify-numerics | FileCheck %s

// Operations with kernels of their own stay.
// CHECK-LABEL: @f
func.func @f(%x: tensor<8x16xf32>, %w: tensor<16xf32>, %m: tensor<12x16xf32>, %t: tensor<8xi32>) -> tensor<8x1xf32> {
  %draw = arith.constant dense<[-559038737, 305419896, 7]> : tensor<3xi32>
  // CHECK-NOT: nn.layer_norm
  // CHECK-NOT: nn.gelu
  // CHECK-NOT: nn.linear
  // CHECK-NOT: nn.cross_entropy
  // CHECK-NOT: nn.dropout
  // CHECK-NOT: nn.kl_divergence
  // CHECK: nn.attention
  %n = nn.layer_norm %x, %w bias %w epsilon 1.0e-5 : tensor<8x16xf32>, tensor<16xf32>, tensor<16xf32>
  %r = nn.rms_norm %n, %w epsilon 1.0e-5 : tensor<8x16xf32>, tensor<16xf32>
  %g = nn.gelu exact %r : tensor<8x16xf32>
  %a = nn.attention %g, %x, %n heads 2 kv_heads 2 scale 0.5 causal : tensor<8x16xf32>, tensor<8x16xf32>, tensor<8x16xf32> -> tensor<8x16xf32>
  %dropped = nn.dropout %a rows %t draw %draw rate 0.25 stream 16 : tensor<8x16xf32>, tensor<8xi32>, tensor<3xi32>
  %s = nn.silu %dropped : tensor<8x16xf32>
  %y = nn.linear %s, %m : tensor<8x16xf32>, tensor<12x16xf32> -> tensor<8x12xf32>
  %c = nn.softcap %y to 3.0 : tensor<8x12xf32>
  %e = nn.cross_entropy %c, %t smoothing 0.1 : tensor<8x12xf32>, tensor<8xi32> -> tensor<8x1xf32>
  %k = nn.kl_divergence %c, %y : tensor<8x12xf32>, tensor<8x12xf32> -> tensor<8x1xf32>
  %l = arith.addf %e, %k : tensor<8x1xf32>
  return %l : tensor<8x1xf32>
}

// Positions that count up are not read, others are.
// CHECK-LABEL: @biases
// CHECK-NOT:     nn.relative_position_bias
// CHECK:         linalg.generic {{.*}} ins(%{{.*}} : tensor<8x2xf32>)
// CHECK:         linalg.generic {{.*}} ins(%{{.*}}, %{{.*}}, %{{.*}} : tensor<8x2xf32>, tensor<4xi32>, tensor<4xi32>)
func.func @biases(%table: tensor<8x2xf32>, %p: tensor<4xi32>) -> (tensor<2x9xf32>, tensor<8x4xf32>) {
  %here = arith.constant dense<0> : tensor<1xi32>
  %around = arith.constant dense<[-4, -3, -2, -1, 0, 1, 2, 3, 4]> : tensor<9xi32>
  %0 = nn.relative_position_bias %here, %around, %table max_distance 4 bidirectional : tensor<1xi32>, tensor<9xi32>, tensor<8x2xf32> -> tensor<2x9xf32>
  %1 = nn.relative_position_bias %p, %p, %table max_distance 7 : tensor<4xi32>, tensor<4xi32>, tensor<8x2xf32> -> tensor<8x4xf32>
  return %0, %1 : tensor<2x9xf32>, tensor<8x4xf32>
}
