// RUN: llmc-opt %s --nn-fuse-structured --canonicalize | FileCheck %s

#map = affine_map<(i, j) -> (i, j)>
#rows = affine_map<(i, j) -> (i)>
// The exponential is computed where it is summed, and nowhere stored.
// CHECK-LABEL: @f
func.func @f(%x: tensor<8x16xf32>, %zero: tensor<8xf32>) -> tensor<8xf32> {
  %e = tensor.empty() : tensor<8x16xf32>
  // CHECK: linalg.generic
  // CHECK: math.exp
  // CHECK-NEXT: arith.addf
  // CHECK-NOT: linalg.generic
  %0 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<8x16xf32>) outs(%e : tensor<8x16xf32>) {
    ^bb0(%a: f32, %o: f32):
      %1 = math.exp %a : f32
      linalg.yield %1 : f32
  } -> tensor<8x16xf32>
  %2 = linalg.generic {indexing_maps = [#map, #rows], iterator_types = ["parallel", "reduction"]}
      ins(%0 : tensor<8x16xf32>) outs(%zero : tensor<8xf32>) {
    ^bb0(%a: f32, %o: f32):
      %1 = arith.addf %o, %a : f32
      linalg.yield %1 : f32
  } -> tensor<8xf32>
  return %2 : tensor<8xf32>
}

// A sum of two tensors that two operations read is computed once.
// CHECK-LABEL: @residual
func.func @residual(%x: tensor<8x16xf32>, %y: tensor<8x16xf32>, %z: tensor<8x16xf32>) -> (tensor<8x16xf32>, tensor<8x16xf32>) {
  %e = tensor.empty() : tensor<8x16xf32>
  // CHECK: %[[SUM:.*]] = linalg.generic {{.*}} ins(%{{.*}}, %{{.*}} : tensor<8x16xf32>, tensor<8x16xf32>)
  // CHECK: linalg.generic {{.*}} ins(%[[SUM]], %{{.*}} : tensor<8x16xf32>, tensor<8x16xf32>)
  // CHECK: linalg.generic {{.*}} ins(%[[SUM]] : tensor<8x16xf32>)
  %0 = linalg.generic {indexing_maps = [#map, #map, #map], iterator_types = ["parallel", "parallel"]}
      ins(%x, %y : tensor<8x16xf32>, tensor<8x16xf32>) outs(%e : tensor<8x16xf32>) {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %1 = arith.addf %a, %b : f32
      linalg.yield %1 : f32
  } -> tensor<8x16xf32>
  %2 = linalg.generic {indexing_maps = [#map, #map, #map], iterator_types = ["parallel", "parallel"]}
      ins(%0, %z : tensor<8x16xf32>, tensor<8x16xf32>) outs(%e : tensor<8x16xf32>) {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %1 = arith.addf %a, %b : f32
      linalg.yield %1 : f32
  } -> tensor<8x16xf32>
  %3 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel"]}
      ins(%0 : tensor<8x16xf32>) outs(%e : tensor<8x16xf32>) {
    ^bb0(%a: f32, %o: f32):
      %1 = math.exp %a : f32
      linalg.yield %1 : f32
  } -> tensor<8x16xf32>
  return %2, %3 : tensor<8x16xf32>, tensor<8x16xf32>
}

// What a product reads rounded, and others as it is, is rounded where it is computed.
// CHECK-LABEL: @rounded
func.func @rounded(%x: tensor<8x16xf32>) -> (tensor<8x16xf32>, tensor<8x16xbf16>) {
  %e = tensor.empty() : tensor<8x16xf32>
  %n = tensor.empty() : tensor<8x16xbf16>
  // CHECK: %[[BOTH:.*]]:2 = linalg.generic
  // CHECK: %[[EXP:.*]] = math.exp
  // CHECK: %[[NARROW:.*]] = arith.truncf %[[EXP]] : f32 to bf16
  // CHECK: linalg.yield %[[EXP]], %[[NARROW]] : f32, bf16
  // CHECK: return %[[BOTH]]#0, %[[BOTH]]#1
  %0 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<8x16xf32>) outs(%e : tensor<8x16xf32>) {
    ^bb0(%a: f32, %o: f32):
      %1 = math.exp %a : f32
      linalg.yield %1 : f32
  } -> tensor<8x16xf32>
  %2 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel"]}
      ins(%0 : tensor<8x16xf32>) outs(%n : tensor<8x16xbf16>) {
    ^bb0(%a: f32, %o: bf16):
      %1 = arith.truncf %a : f32 to bf16
      linalg.yield %1 : bf16
  } -> tensor<8x16xbf16>
  return %0, %2 : tensor<8x16xf32>, tensor<8x16xbf16>
}
