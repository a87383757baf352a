// RUN: llmc-opt %s --nn-differentiate | FileCheck %s

// Values that depend on no parameter have no gradients, and frozen parameters are none.
nn.param @w : tensor<32x64xf32>
nn.param @frozen : tensor<32x32xf32> attributes {nn.frozen}

// CHECK: func.func @loss(%[[X:.*]]: tensor<8x64xf32>, %[[DZ:.*]]: tensor<8x32xf32> {nn.seed = 0 : i64})
// CHECK-SAME: -> (tensor<8x32xf32>, tensor<32x64xf32> {nn.gradient = @w})
func.func @loss(%x: tensor<8x64xf32>) -> tensor<8x32xf32> {
  %w = nn.load @w : tensor<32x64xf32>
  %f = nn.load @frozen : tensor<32x32xf32>
  // CHECK: %[[S:.*]] = nn.silu %[[X]]
  %s = nn.silu %x : tensor<8x64xf32>
  %y = nn.linear %s, %w : tensor<8x64xf32>, tensor<32x64xf32> -> tensor<8x32xf32>
  // CHECK: %[[Z:.*]] = nn.linear {{.*}} -> tensor<8x32xf32>
  // CHECK: %[[Z:.*]] = nn.linear {{.*}} -> tensor<8x32xf32>
  %z = nn.linear %y, %f : tensor<8x32xf32>, tensor<32x32xf32> -> tensor<8x32xf32>
  // CHECK: %[[DY:.*]] = linalg.generic {{.*}} ins(%[[DZ]], %{{.*}} : tensor<8x32xf32>, tensor<32x32xf32>)
  // CHECK: %[[DW:.*]] = linalg.generic {{.*}} ins(%[[DY]], %[[S]] : tensor<8x32xf32>, tensor<8x64xf32>)
  // CHECK-NOT: linalg.generic
  // CHECK: return %[[Z]], %[[DW]]
  return %z : tensor<8x32xf32>
}
