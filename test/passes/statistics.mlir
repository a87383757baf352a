// RUN: llmc-opt %s --nn-expand-rope --nn-quantize-activations --nn-statistics -o /dev/null 2>&1 | FileCheck %s

// Passes in the order in which they ran; what was not counted is not printed.
// CHECK:      nn-expand-rope: 2 rotations
// CHECK-NEXT: nn-expand-rope: 1 tables
// CHECK-NOT:  nn-quantize-activations
func.func @f(%x: tensor<?x32xf32>, %positions: tensor<?xi32>) -> (tensor<?x32xf32>, tensor<?x32xf32>) {
  %0 = nn.rope %x at %positions heads 2 dims 16 theta 1.0e4 half : tensor<?x32xf32>, tensor<?xi32>
  %1 = nn.rope %x at %positions heads 1 dims 16 theta 1.0e4 half : tensor<?x32xf32>, tensor<?xi32>
  return %0, %1 : tensor<?x32xf32>, tensor<?x32xf32>
}
