// RUN: llmc-opt %s --resolve-ranked-shaped-type-result-dims --canonicalize | FileCheck %s
// Sizes of results are computed from those of operands, so that nobody waits for a result to know its size.

// CHECK-LABEL: @rows
// CHECK-SAME: %[[IDS:[^ ]*]]: tensor<?xi32>
// CHECK-NOT: nn.
// CHECK: %[[ROWS:.*]] = tensor.dim %[[IDS]]
// CHECK: return %[[ROWS]]
func.func @rows(%ids: tensor<?xi32>, %table: tensor<11x6xf32>, %w: tensor<5x6xf32>, %n: tensor<5xf32>) -> index {
  %c0 = arith.constant 0 : index
  %0 = nn.embedding %ids, %table : tensor<?xi32>, tensor<11x6xf32> -> tensor<?x6xf32>
  %1 = nn.linear %0, %w : tensor<?x6xf32>, tensor<5x6xf32> -> tensor<?x5xf32>
  %2 = nn.rms_norm %1, %n epsilon 1.0e-5 : tensor<?x5xf32>, tensor<5xf32>
  %a, %b = nn.split %2 : tensor<?x5xf32> -> tensor<?x2xf32>, tensor<?x3xf32>
  %3 = nn.silu %b : tensor<?x3xf32>
  %4 = nn.convert %3 : tensor<?x3xf32> -> tensor<?x3xbf16>
  %d = tensor.dim %4, %c0 : tensor<?x3xbf16>
  return %d : index
}

// CHECK-LABEL: @selected
// CHECK-SAME: %[[ROWS:[^ ]*]]: tensor<?xi32>
// CHECK: %[[SIZE:.*]] = tensor.dim %[[ROWS]]
// CHECK: return %[[SIZE]]
func.func @selected(%x: tensor<?x6xf32>, %rows: tensor<?xi32>) -> index {
  %c0 = arith.constant 0 : index
  %0 = nn.select_rows %x, %rows : tensor<?x6xf32>, tensor<?xi32> -> tensor<?x6xf32>
  %d = tensor.dim %0, %c0 : tensor<?x6xf32>
  return %d : index
}

// Heads lie side by side in the width, and biases of heads one below the other.
// CHECK-LABEL: @heads
// CHECK-NOT: nn.
// CHECK: affine.apply
// CHECK-NOT: nn.
// CHECK: affine.apply
// CHECK-NOT: nn.
func.func @heads(%q: tensor<?x8xf32>, %k: tensor<?x4xf32>, %v: tensor<?x?xf32>, %p: tensor<?xi32>, %t: tensor<32x8xf32>)
    -> (index, index, index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %0 = nn.attention %q, %k, %v heads 4 kv_heads 2 scale 0.5 : tensor<?x8xf32>, tensor<?x4xf32>, tensor<?x?xf32> -> tensor<?x?xf32>
  %1 = nn.relative_position_bias %p, %p, %t max_distance 128 : tensor<?xi32>, tensor<?xi32>, tensor<32x8xf32> -> tensor<?x?xf32>
  %2 = nn.rope_table %p dims 8 theta 1.0e4 : tensor<?xi32> -> tensor<?x8xf32>
  %a = tensor.dim %0, %c1 : tensor<?x?xf32>
  %b = tensor.dim %1, %c0 : tensor<?x?xf32>
  %c = tensor.dim %2, %c0 : tensor<?x8xf32>
  return %a, %b, %c : index, index, index
}
