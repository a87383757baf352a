// RUN: llmc-opt %s --nn-share-functions | FileCheck %s
// RUN: llmc-opt %s --nn-share-functions --mlir-print-debuginfo | FileCheck %s --check-prefix=LOCATION

// CHECK-LABEL: func.func @forward
// CHECK:         call @layer_0
// CHECK:         call @layer_0
// CHECK:         call @layer_2
// CHECK:         call @outer_0
// CHECK:         call @outer_0
func.func @forward(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = call @layer_0(%x) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %1 = call @layer_1(%0) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %2 = call @layer_2(%1) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %3 = call @outer_0(%2) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %4 = call @outer_1(%3) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %4 : tensor<?x4xf32>
}

// CHECK:     func.func private @layer_0
// CHECK-NOT: @layer_1
func.func private @layer_0(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = nn.scale %x by 2.0 : tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
} loc("blk.0")
func.func private @layer_1(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = nn.scale %x by 2.0 : tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
} loc("blk.1")
// The function that is left says what it was made of.
// LOCATION-DAG: #[[A:.+]] = loc("blk.0")
// LOCATION-DAG: #[[B:.+]] = loc("blk.1")
// LOCATION-DAG: loc(fused[#[[A]], #[[B]]])

// Another number is another function.
// CHECK:     func.func private @layer_2
func.func private @layer_2(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = nn.scale %x by 3.0 : tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// Callers of equal functions are equal.
// CHECK:     func.func private @outer_0
// CHECK-NOT: @outer_1
func.func private @outer_0(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = call @layer_0(%x) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}
func.func private @outer_1(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = call @layer_1(%x) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// A parameter and an activation are not the same, even of one type.
// CHECK: func.func private @parameter
// CHECK: func.func private @activation
func.func private @parameter(%x: tensor<4x4xf32> {nn.parameter}) -> tensor<4x4xf32> {
  return %x : tensor<4x4xf32>
}
func.func private @activation(%x: tensor<4x4xf32>) -> tensor<4x4xf32> {
  return %x : tensor<4x4xf32>
}

// The world calls public functions by name.
// CHECK: func.func @public_0
// CHECK: func.func @public_1
func.func @public_0(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = nn.scale %x by 2.0 : tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}
func.func @public_1(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = nn.scale %x by 2.0 : tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}
