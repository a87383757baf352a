// RUN: llmc-opt %s --verify-numerics --canonicalize | FileCheck %s

// CHECK-LABEL: func.func @nested_splits
// CHECK-SAME:    %[[X:[^:]+]]: tensor<?x9xf32>
// CHECK-NEXT:    %[[P:.+]]:4 = nn.split %[[X]] : tensor<?x9xf32> -> tensor<?x2xf32>, tensor<?x1xf32>, tensor<?x4xf32>, tensor<?x2xf32>
// CHECK-NEXT:    return %[[P]]#0, %[[P]]#1, %[[P]]#2, %[[P]]#3
func.func @nested_splits(%x: tensor<?x9xf32>) -> (tensor<?x2xf32>, tensor<?x1xf32>, tensor<?x4xf32>, tensor<?x2xf32>) {
  %a, %bc, %d = nn.split %x : tensor<?x9xf32> -> tensor<?x2xf32>, tensor<?x5xf32>, tensor<?x2xf32>
  %b, %c = nn.split %bc : tensor<?x5xf32> -> tensor<?x1xf32>, tensor<?x4xf32>
  return %a, %b, %c, %d : tensor<?x2xf32>, tensor<?x1xf32>, tensor<?x4xf32>, tensor<?x2xf32>
}

// A part that is read as a whole stays.
// CHECK-LABEL: func.func @split_that_is_read
// CHECK-COUNT-2: nn.split
func.func @split_that_is_read(%x: tensor<?x9xf32>) -> (tensor<?x5xf32>, tensor<?x1xf32>) {
  %a, %bc = nn.split %x : tensor<?x9xf32> -> tensor<?x4xf32>, tensor<?x5xf32>
  %b, %c = nn.split %bc : tensor<?x5xf32> -> tensor<?x1xf32>, tensor<?x4xf32>
  return %bc, %b : tensor<?x5xf32>, tensor<?x1xf32>
}

// CHECK-LABEL: func.func @nested_concats
// CHECK-SAME:    %[[A:[^:]+]]: tensor<1x3xf32>, %[[B:[^:]+]]: tensor<2x3xf32>, %[[C:[^:]+]]: tensor<3x3xf32>
// CHECK-NEXT:    %[[Y:.+]] = nn.concat %[[C]], %[[A]], %[[B]], %[[C]] :
// CHECK-NEXT:    return %[[Y]]
func.func @nested_concats(%a: tensor<1x3xf32>, %b: tensor<2x3xf32>, %c: tensor<3x3xf32>) -> tensor<9x3xf32> {
  %ab = nn.concat %a, %b : tensor<1x3xf32>, tensor<2x3xf32> -> tensor<3x3xf32>
  %y = nn.concat %c, %ab, %c : tensor<3x3xf32>, tensor<3x3xf32>, tensor<3x3xf32> -> tensor<9x3xf32>
  return %y : tensor<9x3xf32>
}

// CHECK-LABEL: func.func @widened_and_back
// CHECK-SAME:    %[[X:[^:]+]]: tensor<?x3xbf16>
// CHECK-NEXT:    return %[[X]]
func.func @widened_and_back(%x: tensor<?x3xbf16>) -> tensor<?x3xbf16> {
  %0 = nn.convert %x : tensor<?x3xbf16> -> tensor<?x3xf32>
  %1 = nn.convert %0 : tensor<?x3xf32> -> tensor<?x3xbf16>
  return %1 : tensor<?x3xbf16>
}

// CHECK-LABEL: func.func @by_way_of_f32
// CHECK-NEXT:    nn.convert %{{.+}} : tensor<?x3xf16> -> tensor<?x3xbf16>
// CHECK-NEXT:    return
func.func @by_way_of_f32(%x: tensor<?x3xf16>) -> tensor<?x3xbf16> {
  %0 = nn.convert %x : tensor<?x3xf16> -> tensor<?x3xf32>
  %1 = nn.convert %0 : tensor<?x3xf32> -> tensor<?x3xbf16>
  return %1 : tensor<?x3xbf16>
}

// f16 has fewer exponents than bf16, which has a shorter mantissa; dequantized numbers are rounded to f32.
// CHECK-LABEL: func.func @not_exact
// CHECK-COUNT-4: nn.convert
func.func @not_exact(%x: tensor<?x3xbf16>, %b: tensor<?x32x!nn.block<q4_1>>) -> (tensor<?x3xf32>, tensor<?x32xbf16>) {
  %0 = nn.convert %x : tensor<?x3xbf16> -> tensor<?x3xf16>
  %1 = nn.convert %0 : tensor<?x3xf16> -> tensor<?x3xf32>
  %2 = nn.convert %b : tensor<?x32x!nn.block<q4_1>> -> tensor<?x32xf32>
  %3 = nn.convert %2 : tensor<?x32xf32> -> tensor<?x32xbf16>
  return %1, %3 : tensor<?x3xf32>, tensor<?x32xbf16>
}
