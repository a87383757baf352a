// RUN: llmc-opt %s --nn-decompose --nn-round-products | FileCheck %s
// RUN: llmc-opt %s --nn-decompose --nn-round-products=half | FileCheck %s --check-prefix=HALF

nn.param @w : tensor<12x16xf32>
// What is computed is rounded once, weights where they are multiplied.
// CHECK-LABEL: @f
func.func @f(%x: tensor<8x16xf32>) -> (tensor<8x12xf32>, tensor<8x12xf32>) {
  %w = nn.load @w : tensor<12x16xf32>
  // CHECK: %[[H:.*]] = linalg.generic {{.*}} ins(%{{.*}} : tensor<8x16xf32>) outs(%{{.*}} : tensor<8x16xbf16>)
  // CHECK: linalg.generic {{.*}} ins(%[[H]], %{{.*}} : tensor<8x16xbf16>, tensor<12x16xf32>)
  // CHECK-NEXT: ^bb0(%[[A:.*]]: bf16, %[[B:.*]]: f32, %{{.*}}: f32):
  // CHECK-DAG: arith.truncf %[[B]] : f32 to bf16
  // CHECK-DAG: arith.extf %[[A]] : bf16 to f32
  // CHECK: linalg.generic {{.*}} ins(%[[H]], %{{.*}} : tensor<8x16xbf16>, tensor<12x16xf32>)
  // HALF: outs(%{{.*}} : tensor<8x16xf16>)
  // HALF: arith.truncf %{{.*}} : f32 to f16
  %y = nn.linear %x, %w : tensor<8x16xf32>, tensor<12x16xf32> -> tensor<8x12xf32>
  %z = nn.linear %x, %w : tensor<8x16xf32>, tensor<12x16xf32> -> tensor<8x12xf32>
  return %y, %z : tensor<8x12xf32>, tensor<8x12xf32>
}
