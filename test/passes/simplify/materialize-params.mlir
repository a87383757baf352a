// RUN: llmc-opt %s --verify-numerics --split-input-file --nn-materialize-params | FileCheck %s
// Another run finds nothing to do.
// RUN: llmc-opt %s --split-input-file --nn-materialize-params -o %t
// RUN: llmc-opt %t --split-input-file --nn-materialize-params | diff %t -

// CHECK:       nn.param @q : tensor<32x64xf16>
// CHECK:       nn.param @q.concat.convert : tensor<96x64xf32> = {
// CHECK-NEXT:    %[[Q:.+]] = nn.load @q
// CHECK-NEXT:    %[[K:.+]] = nn.load @k
// CHECK-NEXT:    %[[C:.+]] = nn.concat %[[Q]], %[[K]]
// CHECK-NEXT:    %[[F:.+]] = nn.convert %[[C]]
// CHECK-NEXT:    nn.yield %[[F]]
// CHECK-NOT:   nn.param
nn.param @q : tensor<32x64xf16>
nn.param @k : tensor<64x64xf16>

// CHECK-LABEL: func.func @forward
// CHECK-NEXT:    %[[W:.+]] = nn.load @q.concat.convert : tensor<96x64xf32>
// CHECK-NEXT:    nn.linear %{{.+}}, %[[W]]
func.func @forward(%x: tensor<?x64xf32>) -> tensor<?x96xf32> {
  %q = nn.load @q : tensor<32x64xf16>
  %k = nn.load @k : tensor<64x64xf16>
  %c = nn.concat %q, %k : tensor<32x64xf16>, tensor<64x64xf16> -> tensor<96x64xf16>
  %w = nn.convert %c : tensor<96x64xf16> -> tensor<96x64xf32>
  %y = nn.linear %x, %w : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  return %y : tensor<?x96xf32>
}

// The same computation elsewhere is the same parameter.
// CHECK-LABEL: func.func @again
// CHECK:         nn.load @q.concat.convert
func.func @again(%x: tensor<?x64xf32>) -> tensor<?x96xf32> {
  %k = nn.load @k : tensor<64x64xf16>
  %q = nn.load @q : tensor<32x64xf16>
  %c = nn.concat %q, %k : tensor<32x64xf16>, tensor<64x64xf16> -> tensor<96x64xf16>
  %w = nn.convert %c : tensor<96x64xf16> -> tensor<96x64xf32>
  %y = nn.linear %x, %w : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  return %y : tensor<?x96xf32>
}

// -----

// A parameter that is computed of a derived one takes over its initializer.
// CHECK:       nn.param @q : tensor<32x64xf16>
// CHECK-NEXT:  nn.param @q.convert.concat : tensor<64x64xf32> = {
// CHECK:         nn.load @q :
// CHECK:         nn.convert
// CHECK:         nn.concat
// CHECK-NOT:   nn.param
nn.param @q : tensor<32x64xf16>
nn.param @q.convert : tensor<32x64xf32> = {
  %q = nn.load @q : tensor<32x64xf16>
  %w = nn.convert %q : tensor<32x64xf16> -> tensor<32x64xf32>
  nn.yield %w : tensor<32x64xf32>
}
// CHECK-LABEL: func.func @forward
func.func @forward(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %q = nn.load @q.convert : tensor<32x64xf32>
  %w = nn.concat %q, %q : tensor<32x64xf32>, tensor<32x64xf32> -> tensor<64x64xf32>
  %y = nn.linear %x, %w : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

// Private functions may load parameters too; what depends on an argument is not known here.
// CHECK: nn.param @q.convert : tensor<32x64xf32>
nn.param @q : tensor<32x64xf16>
// CHECK-LABEL: func.func private @layer
// CHECK:         nn.convert %{{.+}} : tensor<32x64xf16>
// CHECK:         nn.load @q.convert
func.func private @layer(%x: tensor<?x64xf32>, %a: tensor<32x64xf16> {nn.parameter}) -> (tensor<?x32xf32>, tensor<?x32xf32>) {
  %u = nn.convert %a : tensor<32x64xf16> -> tensor<32x64xf32>
  %y = nn.linear %x, %u : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  %q = nn.load @q : tensor<32x64xf16>
  %w = nn.convert %q : tensor<32x64xf16> -> tensor<32x64xf32>
  %z = nn.linear %x, %w : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  return %y, %z : tensor<?x32xf32>, tensor<?x32xf32>
}
