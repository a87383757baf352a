// RUN: llmc-opt %s -split-input-file -verify-diagnostics --nn-interpret
// What only shows when a program runs is a diagnostic at its place.

func.func @main() -> tensor<2x3xf32> {
  %ids = arith.constant dense<[1, 5]> : tensor<2xi32>
  %table = arith.constant dense<1.0> : tensor<5x3xf32>
  // expected-error@+1 {{'nn.embedding' op id 1 is 5, but there are 5 rows}}
  %0 = nn.embedding %ids, %table : tensor<2xi32>, tensor<5x3xf32> -> tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
}

// -----

func.func @main() -> tensor<1x3xf32> {
  %rows = arith.constant dense<-1> : tensor<1xi32>
  %x = arith.constant dense<1.0> : tensor<5x3xf32>
  // expected-error@+1 {{'nn.select_rows' op row 0 is -1, but there are 5 rows}}
  %0 = nn.select_rows %x, %rows : tensor<5x3xf32>, tensor<1xi32> -> tensor<1x3xf32>
  return %0 : tensor<1x3xf32>
}

// -----

// Sizes that the types leave open.
func.func private @linear(%x: tensor<?x?xf32>, %w: tensor<?x?xf32>) -> tensor<?x?xf32> {
  // expected-error@+1 {{'nn.linear' op multiplies an input of width 4 by a weight of width 3}}
  %0 = nn.linear %x, %w : tensor<?x?xf32>, tensor<?x?xf32> -> tensor<?x?xf32>
  return %0 : tensor<?x?xf32>
}
func.func @main() -> tensor<?x?xf32> {
  %x = arith.constant dense<1.0> : tensor<2x4xf32>
  %w = arith.constant dense<1.0> : tensor<5x3xf32>
  %r = arith.constant dense<0> : tensor<1xi32>
  %a = nn.select_rows %x, %r : tensor<2x4xf32>, tensor<1xi32> -> tensor<?x?xf32>
  %b = nn.select_rows %w, %r : tensor<5x3xf32>, tensor<1xi32> -> tensor<?x?xf32>
  %0 = func.call @linear(%a, %b) : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  return %0 : tensor<?x?xf32>
}

// -----

func.func private @add(%a: tensor<?x4xf32>, %b: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // expected-error@+1 {{'arith.addf' op has operands of different shapes, the first sizes are 1 and 2}}
  %0 = arith.addf %a, %b : tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}
func.func @main() -> tensor<?x4xf32> {
  %r = arith.constant dense<0> : tensor<1xi32>
  %s = arith.constant dense<0> : tensor<2xi32>
  %x = arith.constant dense<1.0> : tensor<2x4xf32>
  %a = nn.select_rows %x, %r : tensor<2x4xf32>, tensor<1xi32> -> tensor<?x4xf32>
  %b = nn.select_rows %x, %s : tensor<2x4xf32>, tensor<2xi32> -> tensor<?x4xf32>
  %0 = func.call @add(%a, %b) : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// -----

func.func @main() -> tensor<3x4xf32> {
  %r = arith.constant dense<0> : tensor<1xi32>
  %x = arith.constant dense<1.0> : tensor<2x4xf32>
  %a = nn.select_rows %x, %r : tensor<2x4xf32>, tensor<1xi32> -> tensor<?x4xf32>
  // expected-error@+1 {{evaluation gives a tensor of 1x4 where 'tensor<3x4xf32>' is expected}}
  %0 = nn.split %a : tensor<?x4xf32> -> tensor<3x4xf32>
  return %0 : tensor<3x4xf32>
}

// -----

func.func @main() -> !nn.kv_cache<1x4xf32> {
  %c = nn.empty_cache : !nn.kv_cache<1x4xf32>
  %p = arith.constant dense<[3, 3]> : tensor<2xi32>
  %k = arith.constant dense<1.0> : tensor<2x4xf32>
  // expected-error@+1 {{'nn.cache_append' op writes position 3 twice in one step}}
  %0 = nn.cache_append %c, %k, %k at %p : !nn.kv_cache<1x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2xi32>
  return %0 : !nn.kv_cache<1x4xf32>
}

// -----

func.func @main() -> !nn.kv_cache<1x4xf32> {
  %c = nn.empty_cache : !nn.kv_cache<1x4xf32>
  %p = arith.constant dense<[-3, 3]> : tensor<2xi32>
  %k = arith.constant dense<1.0> : tensor<2x4xf32>
  // expected-error@+1 {{'nn.cache_append' op writes position -3, which is negative}}
  %0 = nn.cache_append %c, %k, %k at %p : !nn.kv_cache<1x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2xi32>
  return %0 : !nn.kv_cache<1x4xf32>
}

// -----

func.func @main() -> tensor<1x32x!nn.block<q8_0>> {
  %x = arith.constant dense<1.0e38> : tensor<1x32xf32>
  // expected-error@+1 {{element 0 is 99999996802856924650656260769173209088.000000, which Q8_0 can not hold}}
  %0 = nn.convert %x : tensor<1x32xf32> -> tensor<1x32x!nn.block<q8_0>>
  return %0 : tensor<1x32x!nn.block<q8_0>>
}

// -----

// expected-error@+1 {{'nn.param' op is not computed, and there is no checkpoint to read it from}}
nn.param @w : tensor<3xf32>
func.func @main() -> tensor<3xf32> {
  %0 = nn.load @w : tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----

// expected-error@+1 {{'nn.param' op is computed from itself}}
nn.param @w : tensor<3xf32> = {
  %0 = nn.load @v : tensor<3xf32>
  nn.yield %0 : tensor<3xf32>
}
nn.param @v : tensor<3xf32> = {
  %0 = nn.load @w : tensor<3xf32>
  nn.yield %0 : tensor<3xf32>
}
func.func @main() -> tensor<3xf32> {
  %0 = nn.load @w : tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----

func.func @main() -> tensor<3xf32> {
  // expected-error@+1 {{function @main is called 200 calls deep: an endless recursion}}
  %0 = func.call @main() : () -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----

func.func private @elsewhere() -> tensor<3xf32>
func.func @main() -> tensor<3xf32> {
  // expected-error@+1 {{function @elsewhere has no body to interpret}}
  %0 = func.call @elsewhere() : () -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----

func.func @main() -> vector<3xf32> {
  // expected-error@+1 {{'arith.constant' op of type 'vector<3xf32>' can not be interpreted, only numbers and dense tensors can}}
  %0 = arith.constant dense<1.0> : vector<3xf32>
  return %0 : vector<3xf32>
}

// -----

func.func @main() -> tensor<3xf32> {
  %x = arith.constant dense<1.0> : tensor<3xf32>
  // expected-error@+1 {{'math.tan' op has no reference semantics, so it can not be interpreted}}
  %0 = math.tan %x : tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----

// expected-error@+1 {{function @main takes 1 arguments, not 0}}
func.func @main(%x: tensor<3xf32>) -> tensor<3xf32> {
  return %x : tensor<3xf32>
}

// -----

// expected-error@+1 {{has no function @main to interpret}}
module {}

// -----

func.func @main() -> tensor<2x3xf32> {
  %x = arith.constant dense<1.0> : tensor<3x3xf32>
  %c2 = arith.constant 2 : index
  // expected-error@+1 {{'tensor.extract_slice' op reaches out of a tensor of 3x3}}
  %0 = tensor.extract_slice %x[%c2, 0] [2, 3] [1, 1] : tensor<3x3xf32> to tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
}

// -----

// Each row of a window of two: sizes that the types leave open do not fit.
func.func private @windows(%x: tensor<?xf32>, %w: tensor<?xf32>, %y: tensor<?xf32>) -> tensor<?xf32> {
  // expected-error@+1 {{'linalg.generic' op reaches index 3 of dimension 0, which has size 3}}
  %0 = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0 + d1)>, affine_map<(d0, d1) -> (d1)>, affine_map<(d0, d1) -> (d0)>],
                       iterator_types = ["parallel", "reduction"]}
      ins(%x, %w : tensor<?xf32>, tensor<?xf32>) outs(%y : tensor<?xf32>) {
  ^bb0(%a: f32, %b: f32, %sum: f32):
    %p = arith.mulf %a, %b : f32
    %s = arith.addf %sum, %p : f32
    linalg.yield %s : f32
  } -> tensor<?xf32>
  return %0 : tensor<?xf32>
}
func.func @main() -> tensor<?xf32> {
  %x = arith.constant dense<1.0> : tensor<3xf32>
  %w = arith.constant dense<1.0> : tensor<2xf32>
  %a = tensor.cast %x : tensor<3xf32> to tensor<?xf32>
  %b = tensor.cast %w : tensor<2xf32> to tensor<?xf32>
  %0 = func.call @windows(%a, %b, %a) : (tensor<?xf32>, tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// -----

func.func @main() -> tensor<1xf32> {
  %c = arith.constant 65536 : index
  %x = arith.constant dense<1.0> : tensor<1xf32>
  // expected-error@+1 {{evaluation gives 4294967296, but integers are interpreted in 32 bits}}
  %0 = arith.muli %c, %c : index
  %1 = tensor.extract_slice %x[%0] [1] [1] : tensor<1xf32> to tensor<1xf32>
  return %1 : tensor<1xf32>
}

// -----

func.func @main() -> tensor<1xf32> {
  // expected-error@+1 {{evaluation gives 4294967296, but integers are interpreted in 32 bits}}
  %c = arith.constant 4294967296 : index
  %x = arith.constant dense<1.0> : tensor<1xf32>
  %1 = tensor.extract_slice %x[%c] [1] [1] : tensor<1xf32> to tensor<1xf32>
  return %1 : tensor<1xf32>
}
