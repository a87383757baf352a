// RUN: llmc-opt %s --lower-training-to-cpu=target-cpu=x86-64-v3 | FileCheck %s

// Parts of a tensor are computed where they belong in it, even if the empty tensor that it is made of serves others too.
#map = affine_map<(i, j) -> (i, j)>
// CHECK-LABEL: func.func @f
// CHECK: %[[WHOLE:.*]] = memref.alloc() {{.*}} : memref<8x16xf32>
// CHECK: memref.subview %[[WHOLE]][0, 0] [8, 8] [1, 1]
// CHECK: memref.subview %[[WHOLE]][0, 8] [8, 8] [1, 1]
// CHECK-NOT: @copy
func.func @f(%x: tensor<8x8xf32> {nn.input = "x"}, %z: tensor<8x16xf32> {nn.input = "z"}) -> (tensor<8x16xf32> {nn.output = "y"}, tensor<8x16xf32> {nn.output = "u"}) {
  %part = tensor.empty() : tensor<8x8xf32>
  %empty = tensor.empty() : tensor<8x16xf32>
  %a = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel"]} ins(%x : tensor<8x8xf32>) outs(%part : tensor<8x8xf32>) {
  ^bb0(%in: f32, %out: f32):
    %1 = math.exp %in : f32
    linalg.yield %1 : f32
  } -> tensor<8x8xf32>
  %b = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel"]} ins(%x : tensor<8x8xf32>) outs(%part : tensor<8x8xf32>) {
  ^bb0(%in: f32, %out: f32):
    %1 = arith.mulf %in, %in : f32
    linalg.yield %1 : f32
  } -> tensor<8x8xf32>
  %first = tensor.insert_slice %a into %empty[0, 0] [8, 8] [1, 1] : tensor<8x8xf32> into tensor<8x16xf32>
  %both = tensor.insert_slice %b into %first[0, 8] [8, 8] [1, 1] : tensor<8x8xf32> into tensor<8x16xf32>
  %y = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel"]} ins(%both : tensor<8x16xf32>) outs(%empty : tensor<8x16xf32>) {
  ^bb0(%in: f32, %out: f32):
    %1 = math.exp %in : f32
    linalg.yield %1 : f32
  } -> tensor<8x16xf32>
  %u = linalg.generic {indexing_maps = [#map, #map, #map], iterator_types = ["parallel", "parallel"]} ins(%both, %z : tensor<8x16xf32>, tensor<8x16xf32>) outs(%empty : tensor<8x16xf32>) {
  ^bb0(%in: f32, %other: f32, %out: f32):
    %1 = arith.addf %in, %other : f32
    linalg.yield %1 : f32
  } -> tensor<8x16xf32>
  return %y, %u : tensor<8x16xf32>, tensor<8x16xf32>
}
