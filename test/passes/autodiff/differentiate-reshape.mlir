// RUN: llmc-opt %s --nn-differentiate | FileCheck %s

// The gradient of a change of shape is the change back.
nn.param @w : tensor<4x8xf32>

// CHECK: func.func @loss(%{{.*}}: tensor<6x8xf32>, %[[G:.*]]: tensor<12x2xf32> {nn.seed = 0 : i64})
func.func @loss(%x: tensor<6x8xf32>) -> tensor<12x2xf32> {
  %w = nn.load @w : tensor<4x8xf32>
  %y = nn.linear %x, %w : tensor<6x8xf32>, tensor<4x8xf32> -> tensor<6x4xf32>
  // CHECK: %[[FLAT:.*]] = tensor.collapse_shape %[[G]] {{\[\[}}0, 1]] : tensor<12x2xf32> into tensor<24xf32>
  // CHECK: tensor.expand_shape %[[FLAT]] {{\[\[}}0, 1]] output_shape [6, 4] : tensor<24xf32> into tensor<6x4xf32>
  %flat = tensor.collapse_shape %y [[0, 1]] : tensor<6x4xf32> into tensor<24xf32>
  %pairs = tensor.expand_shape %flat [[0, 1]] output_shape [12, 2] : tensor<24xf32> into tensor<12x2xf32>
  return %pairs : tensor<12x2xf32>
}
