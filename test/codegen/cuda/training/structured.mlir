// RUN: llmc-opt %s --lower-training-to-cuda --split-input-file | FileCheck %s

// Without sums each thread has four numbers that lie side by side.
// CHECK-LABEL: gpu.func @structured_f
// CHECK: vector.load %{{.*}} {alignment = 16 : i64} : memref<8x64xf32>, vector<4xf32>
// CHECK: vector.store
#map = affine_map<(i, j) -> (i, j)>
func.func @f(%x: tensor<8x64xf32> {nn.input = "x"}) -> (tensor<8x64xf32> {nn.output = "y"}) {
  %e = tensor.empty() : tensor<8x64xf32>
  %y = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<8x64xf32>) outs(%e : tensor<8x64xf32>) {
    ^bb0(%a: f32, %o: f32):
      %1 = arith.mulf %a, %a : f32
      linalg.yield %1 : f32
  } -> tensor<8x64xf32>
  return %y : tensor<8x64xf32>
}

// -----

// Sums of rows are those of a warp.
// CHECK-LABEL: gpu.func @structured_f
// CHECK: vector.load
// CHECK: gpu.shuffle xor
#map = affine_map<(i, j) -> (i, j)>
#rows = affine_map<(i, j) -> (i)>
func.func @f(%x: tensor<8x64xf32> {nn.input = "x"}) -> (tensor<8xf32> {nn.output = "y"}) {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<8xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<8xf32>) -> tensor<8xf32>
  %y = linalg.generic {indexing_maps = [#map, #rows], iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<8x64xf32>) outs(%z : tensor<8xf32>) {
    ^bb0(%a: f32, %o: f32):
      %1 = arith.addf %o, %a : f32
      linalg.yield %1 : f32
  } -> tensor<8xf32>
  return %y : tensor<8xf32>
}

// -----

// Sums of many rows of few columns are shared by blocks, and added up in order.
// CHECK-LABEL: gpu.func @structured_f
// CHECK: gpu.barrier
// CHECK-LABEL: gpu.func @structured_sum_f
#map = affine_map<(i, j) -> (i, j)>
#columns = affine_map<(i, j) -> (j)>
func.func @f(%x: tensor<512x64xf32> {nn.input = "x"}) -> (tensor<64xf32> {nn.output = "y"}) {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<64xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<64xf32>) -> tensor<64xf32>
  %y = linalg.generic {indexing_maps = [#map, #columns], iterator_types = ["reduction", "parallel"]}
      ins(%x : tensor<512x64xf32>) outs(%z : tensor<64xf32>) {
    ^bb0(%a: f32, %o: f32):
      %1 = arith.addf %o, %a : f32
      linalg.yield %1 : f32
  } -> tensor<64xf32>
  return %y : tensor<64xf32>
}
