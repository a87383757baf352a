// RUN: llmc-opt %s --nn-differentiate | FileCheck %s

// The gradient of tanh is made of its result t: g - g t t.
nn.param @w : tensor<4x8xf32>

// CHECK: func.func @loss(%[[X:.*]]: tensor<3x8xf32>, %[[G:.*]]: tensor<3x4xf32> {nn.seed = 0 : i64})
func.func @loss(%x: tensor<3x8xf32>) -> tensor<3x4xf32> {
  %w = nn.load @w : tensor<4x8xf32>
  %y = nn.linear %x, %w : tensor<3x8xf32>, tensor<4x8xf32> -> tensor<3x4xf32>
  // CHECK: %[[T:.*]] = math.tanh
  // CHECK: %[[A:.*]] = arith.mulf %[[G]], %[[T]]
  // CHECK: %[[B:.*]] = arith.mulf %[[A]], %[[T]]
  // CHECK: arith.subf %[[G]], %[[B]]
  %t = math.tanh %y : tensor<3x4xf32>
  return %t : tensor<3x4xf32>
}
