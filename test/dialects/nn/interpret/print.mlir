// RUN: llmc-opt %s --nn-interpret=function=f | FileCheck %s
// RUN: llmc-opt %s --nn-interpret="function=f precision=f64" | FileCheck %s --check-prefix=DOUBLE

// CHECK: @f result 0: tensor<2x2xf32>
// CHECK-NEXT: [2, -0.6666667]
// CHECK-NEXT: [0.5, 0.25]
// CHECK-NEXT: @f result 1: tensor<2xi32>
// CHECK-NEXT: [7, 5]
// CHECK-NEXT: @f result 2: !nn.kv_cache<1x2xf32>
// CHECK-NEXT: position 5 key [0.5, 0.25]
// CHECK-NEXT: position 5 value [0.5, 0.25]
// CHECK-NEXT: position 7 key [2, -0.6666667]
// DOUBLE: [2, -0.6666667]
func.func @f() -> (tensor<2x2xf32>, tensor<2xi32>, !nn.kv_cache<1x2xf32>) {
  %x = arith.constant dense<[[4.0, -2.0], [1.0, 0.75]]> : tensor<2x2xf32>
  %y = arith.constant dense<[[2.0, 3.0], [2.0, 3.0]]> : tensor<2x2xf32>
  %p = arith.constant dense<[7, 5]> : tensor<2xi32>
  %0 = arith.divf %x, %y : tensor<2x2xf32>
  %c = nn.empty_cache : !nn.kv_cache<1x2xf32>
  %1 = nn.cache_append %c, %0, %0 at %p : !nn.kv_cache<1x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2xi32>
  return %0, %p, %1 : tensor<2x2xf32>, tensor<2xi32>, !nn.kv_cache<1x2xf32>
}
