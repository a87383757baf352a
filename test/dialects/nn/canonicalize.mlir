// RUN: llmc-opt %s --canonicalize | FileCheck %s

// CHECK-LABEL: @relu_of_relu
// CHECK: nn.relu
// CHECK-NOT: nn.relu
func.func @relu_of_relu(%x: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %0 = nn.relu %x : tensor<?x3xf32>
  %1 = nn.relu %0 : tensor<?x3xf32>
  return %1 : tensor<?x3xf32>
}

// CHECK-LABEL: @scale_by_one
// CHECK-NOT: nn.scale
func.func @scale_by_one(%x: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %0 = nn.scale %x by 1.0 : tensor<?x3xf32>
  return %0 : tensor<?x3xf32>
}

// CHECK-LABEL: @scale_by_two
// CHECK: nn.scale
func.func @scale_by_two(%x: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %0 = nn.scale %x by 2.0 : tensor<?x3xf32>
  return %0 : tensor<?x3xf32>
}

// CHECK-LABEL: @split_into_one
// CHECK-NOT: nn.split
func.func @split_into_one(%x: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %0 = nn.split %x : tensor<?x3xf32> -> tensor<?x3xf32>
  return %0 : tensor<?x3xf32>
}

// A known number of rows is not given up.
// CHECK-LABEL: @split_that_fixes_rows
// CHECK: nn.split
func.func @split_that_fixes_rows(%x: tensor<?x3xf32>) -> tensor<2x3xf32> {
  %0 = nn.split %x : tensor<?x3xf32> -> tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
}

// CHECK-LABEL: @concat_of_one
// CHECK-NOT: nn.concat
func.func @concat_of_one(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %0 = nn.concat %x : tensor<2x3xf32> -> tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
}

// CHECK-LABEL: @convert_to_the_same
// CHECK-NOT: nn.convert
func.func @convert_to_the_same(%x: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %0 = nn.convert %x : tensor<?x3xf32> -> tensor<?x3xf32>
  return %0 : tensor<?x3xf32>
}

// Rounding is not undone.
// CHECK-LABEL: @convert_and_back
// CHECK-COUNT-2: nn.convert
func.func @convert_and_back(%x: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %0 = nn.convert %x : tensor<?x3xf32> -> tensor<?x3xbf16>
  %1 = nn.convert %0 : tensor<?x3xbf16> -> tensor<?x3xf32>
  return %1 : tensor<?x3xf32>
}
