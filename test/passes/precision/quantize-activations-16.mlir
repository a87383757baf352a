// RUN: llmc-opt %s --verify-numerics --nn-quantize-activations | FileCheck %s
// RUN: not llmc-opt %s --nn-quantize-activations=bits=7 2>&1 | FileCheck %s --check-prefix=SEVEN

// 16 bits are the default.
// CHECK: %[[H:.*]] = nn.convert %{{.*}} : tensor<?x64xf32> -> tensor<?x64x!nn.block<q16_k>>
// CHECK: %[[W:.*]] = nn.load @w
// CHECK: %[[A:.*]] = nn.convert %[[W]] : tensor<32x64x!nn.block<q4_1>> -> tensor<32x64x!nn.block<q4_1, aligned>>
// CHECK: nn.linear %[[H]], %[[A]] : tensor<?x64x!nn.block<q16_k>>, tensor<32x64x!nn.block<q4_1, aligned>>
// SEVEN: nn-quantize-activations makes codes of 8 or 16 bits, not 7
nn.param @w : tensor<32x64x!nn.block<q4_1>>
func.func @f(%x: tensor<?x64xf32>) -> tensor<?x32xf32> {
  %w = nn.load @w : tensor<32x64x!nn.block<q4_1>>
  %y = nn.linear %x, %w : tensor<?x64xf32>, tensor<32x64x!nn.block<q4_1>> -> tensor<?x32xf32>
  return %y : tensor<?x32xf32>
}
