// RUN: llmc-opt %s --pass-pipeline="builtin.module(func.func(approximate-math))" | FileCheck %s

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
