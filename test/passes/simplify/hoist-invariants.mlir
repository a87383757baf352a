// RUN: llmc-opt %s --verify-numerics --nn-hoist-invariants | FileCheck %s
// Another run finds nothing to do.
// RUN: llmc-opt %s --nn-hoist-invariants -o %t
// RUN: llmc-opt %t --nn-hoist-invariants | diff %t -
// The table is computed once.
// RUN: llmc-opt %s --verify-numerics --nn-hoist-invariants --cse | FileCheck %s --check-prefix=CSE

nn.param @a : tensor<64x64xf16>
nn.param @b : tensor<32x64xf16>

// CSE-LABEL: func.func @forward
// CSE:         %[[T:.+]] = nn.rope_table
// CSE-NOT:     nn.rope_table
// CSE:         call @layer(%{{.+}}, %{{.+}}, %[[T]])
// CSE-NOT:     nn.rope_table
// CSE:         call @layer(%{{.+}}, %{{.+}}, %[[T]])

// What the layer computed of its parameters is computed here, for each call. Its constants come along.
// CHECK-LABEL: func.func @forward
// CHECK-DAG:     %[[A:.+]] = nn.load @a
// CHECK-DAG:     %[[B:.+]] = nn.load @b
// CHECK:         %[[AB:.+]] = nn.concat %[[A]], %[[B]]
// CHECK:         %[[W:.+]] = nn.convert %[[AB]]
// CHECK:         %[[HALF:.+]] = arith.constant dense<5.000000e-01>
// CHECK:         %[[SCALED:.+]] = arith.mulf %[[W]], %[[HALF]]
// CHECK:         %[[T:.+]] = nn.rope_table
// CHECK:         call @layer(%{{.+}}, %[[SCALED]], %[[T]])
// CHECK:         nn.concat
func.func @forward(%x: tensor<?x64xf32>, %positions: tensor<?xi32>) -> tensor<?x96xf32> {
  %a = nn.load @a : tensor<64x64xf16>
  %b = nn.load @b : tensor<32x64xf16>
  %0 = call @layer(%x, %positions, %a, %b) : (tensor<?x64xf32>, tensor<?xi32>, tensor<64x64xf16>, tensor<32x64xf16>) -> tensor<?x96xf32>
  %1 = nn.relu %x : tensor<?x64xf32>
  %2 = call @layer(%1, %positions, %a, %b) : (tensor<?x64xf32>, tensor<?xi32>, tensor<64x64xf16>, tensor<32x64xf16>) -> tensor<?x96xf32>
  %3 = arith.addf %0, %2 : tensor<?x96xf32>
  return %3 : tensor<?x96xf32>
}

// Arguments that nothing reads any more are gone; the table is no parameter.
// CHECK-LABEL: func.func private @layer
// CHECK-SAME:    (%[[X:[^:]+]]: tensor<?x64xf32>, %[[W:[^:]+]]: tensor<96x64xf32> {nn.parameter}, %[[T:[^:]+]]: tensor<?x32xf32>)
// CHECK-NOT:     nn.concat
// CHECK:         %[[Y:.+]] = nn.linear %[[X]], %[[W]]
// CHECK:         nn.rotate %[[Y]] by %[[T]]
func.func private @layer(%x: tensor<?x64xf32>, %positions: tensor<?xi32>, %a: tensor<64x64xf16> {nn.parameter},
                         %b: tensor<32x64xf16> {nn.parameter}) -> tensor<?x96xf32> {
  %half = arith.constant dense<0.5> : tensor<96x64xf32>
  %w = nn.concat %a, %b : tensor<64x64xf16>, tensor<32x64xf16> -> tensor<96x64xf16>
  %f = nn.convert %w : tensor<96x64xf16> -> tensor<96x64xf32>
  %s = arith.mulf %f, %half : tensor<96x64xf32>
  %y = nn.linear %x, %s : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  %t = nn.rope_table %positions dims 32 theta 1.0e4 : tensor<?xi32> -> tensor<?x32xf32>
  %r = nn.rotate %y by %t heads 3 half : tensor<?x96xf32>, tensor<?x32xf32>
  return %r : tensor<?x96xf32>
}

// Through two levels of calls.
// CHECK-LABEL: func.func @nested
// CHECK:         %[[A:.+]] = nn.load @a
// CHECK:         %[[W:.+]] = nn.convert %[[A]]
// CHECK:         call @outer(%{{.+}}, %[[W]])
func.func @nested(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %a = nn.load @a : tensor<64x64xf16>
  %0 = call @outer(%x, %a) : (tensor<?x64xf32>, tensor<64x64xf16>) -> tensor<?x64xf32>
  return %0 : tensor<?x64xf32>
}
func.func private @outer(%x: tensor<?x64xf32>, %a: tensor<64x64xf16> {nn.parameter}) -> tensor<?x64xf32> {
  %0 = call @inner(%x, %a) : (tensor<?x64xf32>, tensor<64x64xf16>) -> tensor<?x64xf32>
  return %0 : tensor<?x64xf32>
}
func.func private @inner(%x: tensor<?x64xf32>, %a: tensor<64x64xf16> {nn.parameter}) -> tensor<?x64xf32> {
  %w = nn.convert %a : tensor<64x64xf16> -> tensor<64x64xf32>
  %y = nn.linear %x, %w : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// A public function is called by the world, which knows nothing of hoisted operations.
// CHECK-LABEL: func.func @public
// CHECK:         nn.convert
func.func @public(%a: tensor<64x64xf16> {nn.parameter}) -> tensor<64x64xf32> {
  %w = nn.convert %a : tensor<64x64xf16> -> tensor<64x64xf32>
  return %w : tensor<64x64xf32>
}
