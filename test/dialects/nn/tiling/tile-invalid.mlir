// RUN: llmc-opt %s --transform-interpreter -verify-diagnostics
// Heads are counted by an attribute, so tiles of them have the same number everywhere.

module attributes {transform.with_named_sequence} {
func.func @f(%x: tensor<?x24xf32>, %p: tensor<?xi32>) -> tensor<?x24xf32> {
  // expected-error @+2 {{to tile operation}}
  // expected-error @+1 {{failed to generate tiling loops}}
  %0 = nn.rope %x at %p heads 3 dims 8 theta 1.0e5 half : tensor<?x24xf32>, tensor<?xi32>
  return %0 : tensor<?x24xf32>
}
transform.named_sequence @__transform_main(%module: !transform.any_op {transform.readonly}) {
  %rope = transform.structured.match ops{["nn.rope"]} in %module : (!transform.any_op) -> !transform.any_op
  %0, %l0, %l1 = transform.structured.tile_using_for %rope tile_sizes [2, 2]
    : (!transform.any_op) -> (!transform.any_op, !transform.any_op, !transform.any_op)
  transform.yield
}
}
