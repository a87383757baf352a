// RUN: llmc-opt %s --verify-numerics --nn-set-compute-type | FileCheck %s --check-prefixes=CHECK,AUTO
// RUN: llmc-opt %s --verify-numerics --nn-set-compute-type=type=f32 | FileCheck %s --check-prefixes=CHECK,F32
// RUN: llmc-opt %s --verify-numerics --nn-set-compute-type=type=bf16 | FileCheck %s --check-prefixes=CHECK,BF16
// Another run finds nothing to do.
// RUN: llmc-opt %s --nn-set-compute-type=type=bf16 -o %t
// RUN: llmc-opt %t --nn-set-compute-type=type=bf16 | diff %t -

nn.param @half.weight : tensor<64x64xf16>
nn.param @brain.weight : tensor<64x64xbf16>
nn.param @blocks.weight : tensor<64x64x!nn.block<q4_1>>

// CHECK-LABEL: func.func @half
// AUTO:          nn.linear %{{.+}}, %{{.+}} : tensor<?x64xf32>, tensor<64x64xf32>
// F32:           nn.linear %{{.+}}, %{{.+}} : tensor<?x64xf32>, tensor<64x64xf32>
// BF16:          nn.linear %{{.+}}, %{{.+}} : tensor<?x64xbf16>, tensor<64x64xbf16>
func.func @half(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %w = nn.load @half.weight : tensor<64x64xf16>
  %y = nn.linear %x, %w : tensor<?x64xf32>, tensor<64x64xf16> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// CHECK-LABEL: func.func @brain
// AUTO-SAME:     %[[X:[^:]+]]: tensor<?x64xf32>
// AUTO:          %[[H:.+]] = nn.convert %[[X]] : tensor<?x64xf32> -> tensor<?x64xbf16>
// AUTO:          nn.linear %[[H]], %{{.+}} : tensor<?x64xbf16>, tensor<64x64xbf16>
// AUTO:          nn.linear %[[H]], %{{.+}} : tensor<?x64xbf16>, tensor<64x64xbf16>
// F32:           nn.convert %{{.+}} : tensor<64x64xbf16> -> tensor<64x64xf32>
// F32-NOT:       nn.convert
func.func @brain(%x: tensor<?x64xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32>) {
  %w = nn.load @brain.weight : tensor<64x64xbf16>
  %y = nn.linear %x, %w : tensor<?x64xf32>, tensor<64x64xbf16> -> tensor<?x64xf32>
  %z = nn.linear %x, %w : tensor<?x64xf32>, tensor<64x64xbf16> -> tensor<?x64xf32>
  return %y, %z : tensor<?x64xf32>, tensor<?x64xf32>
}

// CHECK-LABEL: func.func @blocks
// AUTO:          nn.linear %{{.+}}, %{{.+}} : tensor<?x64xf32>, tensor<64x64x!nn.block<q4_1>>
// F32:           nn.linear %{{.+}}, %{{.+}} : tensor<?x64xf32>, tensor<64x64xf32>
// BF16:          nn.linear %{{.+}}, %{{.+}} : tensor<?x64xbf16>, tensor<64x64xbf16>
func.func @blocks(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %w = nn.load @blocks.weight : tensor<64x64x!nn.block<q4_1>>
  %y = nn.linear %x, %w : tensor<?x64xf32>, tensor<64x64x!nn.block<q4_1>> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// A weight that is no parameter cannot be converted beforehand.
// CHECK-LABEL: func.func @computed
// CHECK-NOT:     nn.convert
func.func @computed(%x: tensor<?x64xf32>, %w: tensor<64x64xf16>) -> tensor<?x64xf32> {
  %y = nn.linear %x, %w : tensor<?x64xf32>, tensor<64x64xf16> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// CHECK-LABEL: func.func @vectors
// CHECK:         nn.rms_norm %{{.+}}, %{{.+}} epsilon 1.000000e-05 : tensor<?x64xf32>, tensor<64xf32>
func.func @vectors(%x: tensor<?x64xf32>, %g: tensor<64xf16> {nn.parameter}) -> tensor<?x64xf32> {
  %y = nn.rms_norm %x, %g epsilon 1.0e-5 : tensor<?x64xf32>, tensor<64xf16>
  return %y : tensor<?x64xf32>
}

// CHECK-LABEL: func.func @experts
// AUTO:          nn.experts {{.*}} tensor<?x2xf32>, tensor<16x8xf32>, tensor<16x8xf32>, tensor<16x8xbf16>
// F32:           nn.experts {{.*}} tensor<?x2xf32>, tensor<16x8xf32>, tensor<16x8xf32>, tensor<16x8xf32>
// BF16:          nn.experts {{.*}} tensor<?x8xbf16>, tensor<?x2xf32>, tensor<16x8xbf16>, tensor<16x8xbf16>, tensor<16x8xbf16>
func.func @experts(%x: tensor<?x8xf32>, %r: tensor<?x2xf32>, %g: tensor<16x8xf16> {nn.parameter}, %u: tensor<16x8xf16> {nn.parameter},
                   %d: tensor<16x8xbf16> {nn.parameter}) -> tensor<?x8xf32> {
  %y = nn.experts %x, %r, %g, %u, %d top_k 1 silu
         : tensor<?x8xf32>, tensor<?x2xf32>, tensor<16x8xf16>, tensor<16x8xf16>, tensor<16x8xbf16> -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}
