// RUN: llmc-opt %s --transform-interpreter | FileCheck %s
// RUN: llmc-opt %s --transform-interpreter --nn-check-expected=tolerance=1e-6 -o /dev/null
// A tile of the last operation asks its producers for theirs. A tile of columns needs whole rows of the norm.

module attributes {transform.with_named_sequence} {

func.func private @x() -> tensor<5x4xf32> {
  %0 = arith.constant dense<[[1.0, -2.0, 0.5, 3.0], [0.1, 0.2, 0.3, -0.4], [2.0, 2.0, -2.0, 1.0], [-1.0, 0.0, 1.0, 0.5],
                             [4.0, 3.0, 2.0, 1.0]]> : tensor<5x4xf32>
  return %0 : tensor<5x4xf32>
}
func.func private @w() -> tensor<6x4xf32> {
  %0 = arith.constant dense<[[1.0, -1.0, 0.5, 0.25], [0.5, 2.0, 1.5, -1.0], [-0.5, 1.0, 0.0, 2.0], [0.75, 0.5, -1.5, 1.0],
                             [1.0, 1.0, 1.0, 1.0], [-2.0, 0.5, 1.0, -0.5]]> : tensor<6x4xf32>
  return %0 : tensor<6x4xf32>
}

// CHECK-LABEL: @rows()
// CHECK: scf.for
// CHECK-NOT: scf.for
// CHECK: nn.rms_norm {{.*}} : tensor<?x4xf32>, tensor<4xf32>
// CHECK: nn.linear {{.*}} : tensor<?x4xf32>, tensor<6x4xf32> -> tensor<?x6xf32>
// CHECK: nn.silu {{.*}} : tensor<?x6xf32>
// CHECK: scf.yield
func.func @rows() -> tensor<5x6xf32> {
  %x = call @x() : () -> tensor<5x4xf32>
  %w = call @w() : () -> tensor<6x4xf32>
  %n = arith.constant dense<[1.0, 2.0, 0.5, -1.0]> : tensor<4xf32>
  %0 = nn.rms_norm %x, %n epsilon 1.0e-5 : tensor<5x4xf32>, tensor<4xf32>
  %1 = nn.linear %0, %w : tensor<5x4xf32>, tensor<6x4xf32> -> tensor<5x6xf32>
  %2 = nn.silu %1 {fuse = "rows"} : tensor<5x6xf32>
  return %2 : tensor<5x6xf32>
}
func.func @rows.expected() -> tensor<5x6xf32> {
  %x = call @x() : () -> tensor<5x4xf32>
  %w = call @w() : () -> tensor<6x4xf32>
  %n = arith.constant dense<[1.0, 2.0, 0.5, -1.0]> : tensor<4xf32>
  %0 = nn.rms_norm %x, %n epsilon 1.0e-5 : tensor<5x4xf32>, tensor<4xf32>
  %1 = nn.linear %0, %w : tensor<5x4xf32>, tensor<6x4xf32> -> tensor<5x6xf32>
  %2 = nn.silu %1 : tensor<5x6xf32>
  return %2 : tensor<5x6xf32>
}

// CHECK-LABEL: @columns()
// CHECK: scf.for
// CHECK: scf.for
// CHECK: nn.linear {{.*}} : tensor<?x4xf32>, tensor<2x4xf32> -> tensor<?x2xf32>
// CHECK: nn.relu {{.*}} : tensor<?x2xf32>
func.func @columns() -> tensor<5x6xf32> {
  %x = call @x() : () -> tensor<5x4xf32>
  %w = call @w() : () -> tensor<6x4xf32>
  %1 = nn.linear %x, %w : tensor<5x4xf32>, tensor<6x4xf32> -> tensor<5x6xf32>
  %2 = nn.relu %1 {fuse = "columns"} : tensor<5x6xf32>
  return %2 : tensor<5x6xf32>
}
func.func @columns.expected() -> tensor<5x6xf32> {
  %x = call @x() : () -> tensor<5x4xf32>
  %w = call @w() : () -> tensor<6x4xf32>
  %1 = nn.linear %x, %w : tensor<5x4xf32>, tensor<6x4xf32> -> tensor<5x6xf32>
  %2 = nn.relu %1 : tensor<5x6xf32>
  return %2 : tensor<5x6xf32>
}

transform.named_sequence @__transform_main(%module: !transform.any_op {transform.readonly}) {
  %rows = transform.structured.match attributes{fuse = "rows"} in %module : (!transform.any_op) -> !transform.any_op
  %0, %l0 = transform.structured.fuse %rows tile_sizes [2] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
  %columns = transform.structured.match attributes{fuse = "columns"} in %module : (!transform.any_op) -> !transform.any_op
  %1, %l1, %l2 = transform.structured.fuse %columns tile_sizes [2, 2]
    : (!transform.any_op) -> (!transform.any_op, !transform.any_op, !transform.any_op)
  transform.yield
}
}
