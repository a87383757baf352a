// RUN: llmc-opt %s --approximate-math | FileCheck %s

// CHECK-LABEL: func.func @vectors
// CHECK-NOT:     math.exp
// CHECK-NOT:     math.tanh
// CHECK-NOT:     math.erf
func.func @vectors(%x: vector<16xf32>) -> (vector<16xf32>, vector<16xf32>, vector<16xf32>) {
  %0 = math.exp %x : vector<16xf32>
  %1 = math.tanh %x : vector<16xf32>
  %2 = math.erf %x : vector<16xf32>
  return %0, %1, %2 : vector<16xf32>, vector<16xf32>, vector<16xf32>
}

// Angles of rotary tables are computed in f64, by the C library.
// CHECK-LABEL: func.func @angles
// CHECK:         math.cos %{{.+}} : f64
// CHECK:         math.sin %{{.+}} : f64
func.func @angles(%x: f64) -> (f64, f64) {
  %0 = math.cos %x : f64
  %1 = math.sin %x : f64
  return %0, %1 : f64, f64
}

// Where the processor can not multiply and add at once, no function is called for it.
// CHECK-LABEL: func.func @fma
// CHECK:         vector.fma
// CHECK-NOT:     math.fma
// CHECK:         arith.mulf
// CHECK:         arith.addf
func.func @fma(%x: vector<4xf32>, %y: f32) -> (vector<4xf32>, f32) {
  %0 = math.fma %x, %x, %x : vector<4xf32>
  %1 = math.fma %y, %y, %y : f32
  return %0, %1 : vector<4xf32>, f32
}
