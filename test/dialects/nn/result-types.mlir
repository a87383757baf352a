// RUN: llmc-opt %s -split-input-file -verify-diagnostics | FileCheck %s
// Result types follow from operands and attributes. Sizes may be known better or be left open, and the precision of what is computed
// is a choice; that of what is moved is not.

// CHECK-LABEL: @choices
func.func @choices(%x: tensor<?x6xbf16>, %w: tensor<5x6xbf16>, %r: tensor<?xi32>) {
  // CHECK: tensor<3x5xf32>
  %0 = nn.linear %x, %w : tensor<?x6xbf16>, tensor<5x6xbf16> -> tensor<3x5xf32>
  // CHECK: tensor<?x?xbf16>
  %1 = nn.linear %x, %w : tensor<?x6xbf16>, tensor<5x6xbf16> -> tensor<?x?xbf16>
  // CHECK: tensor<2x6xbf16>
  %2 = nn.select_rows %x, %r : tensor<?x6xbf16>, tensor<?xi32> -> tensor<2x6xbf16>
  return
}

// -----

func.func @moved(%x: tensor<?x6xbf16>, %r: tensor<?xi32>) {
  // expected-error @+1 {{has a result of type 'tensor<?x6xf32>', expected 'tensor<?x6xbf16>'}}
  %0 = nn.select_rows %x, %r : tensor<?x6xbf16>, tensor<?xi32> -> tensor<?x6xf32>
  return
}

// -----

// Blocks are stored, never computed.
func.func @blocks(%x: tensor<?x32xf32>, %w: tensor<32x32xf32>) {
  // expected-error @+1 {{has a result of type 'tensor<?x32x!nn.block<q8_0>>', expected 'tensor<?x32xf32>'}}
  %0 = nn.linear %x, %w : tensor<?x32xf32>, tensor<32x32xf32> -> tensor<?x32x!nn.block<q8_0>>
  return
}
