// RUN: llmc-opt %s --nn-fix-rows=rows=16 | FileCheck %s
// RUN: not llmc-opt %s --nn-fix-rows 2>&1 | FileCheck %s --check-prefix=NONE

// NONE: nn-fix-rows needs rows, a positive number, but has 0

// CHECK: func.func @f(%{{.*}}: tensor<16x8xf32>) -> tensor<16x8xf32>
func.func @f(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  // CHECK: nn.silu %{{.*}} : tensor<16x8xf32>
  %y = nn.silu %x : tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}
