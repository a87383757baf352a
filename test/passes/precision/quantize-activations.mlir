// RUN: llmc-opt %s --verify-numerics --nn-quantize-activations=bits=8 | FileCheck %s
// Another run finds nothing to do.
// RUN: llmc-opt %s --nn-quantize-activations=bits=8 -o %t
// RUN: llmc-opt %t --nn-quantize-activations | diff %t -
// RUN: llmc-opt %s --verify-numerics --nn-quantize-activations=bits=8 --remarks-filter=nn-quantize-activations --remark-format=emitRemark 2>&1 | FileCheck %s --check-prefix=REMARK

// Products with the same input share its quantized form; a product with other weights reads the activation itself.
// CHECK-LABEL: func.func @shared
// CHECK-SAME:    %[[X:[^:]+]]: tensor<?x64xf32>
// CHECK-DAG:     %[[H:.+]] = nn.convert %[[X]] : tensor<?x64xf32> -> tensor<?x64x!nn.block<q8_k>>
// CHECK-DAG:     %[[A:.+]] = nn.convert %{{.+}} : tensor<48x64x!nn.block<q4_1>> -> tensor<48x64x!nn.block<q4_1, aligned>>
// CHECK-DAG:     %[[B:.+]] = nn.convert %{{.+}} : tensor<16x64x!nn.block<q5_0>> -> tensor<16x64x!nn.block<q5_0, aligned>>
// CHECK:         nn.linear %[[H]], %[[A]] : tensor<?x64x!nn.block<q8_k>>, tensor<48x64x!nn.block<q4_1, aligned>>
// CHECK:         nn.linear %[[H]], %[[B]] : tensor<?x64x!nn.block<q8_k>>, tensor<16x64x!nn.block<q5_0, aligned>>
// CHECK:         nn.linear %[[X]], %{{.+}} : tensor<?x64xf32>, tensor<16x64xf32>
func.func @shared(%x: tensor<?x64xf32>, %a: tensor<48x64x!nn.block<q4_1>>, %b: tensor<16x64x!nn.block<q5_0>>,
                  %c: tensor<16x64xf32>) -> (tensor<?x48xf32>, tensor<?x16xf32>, tensor<?x16xf32>) {
  %0 = nn.linear %x, %a : tensor<?x64xf32>, tensor<48x64x!nn.block<q4_1>> -> tensor<?x48xf32>
  %1 = nn.linear %x, %b : tensor<?x64xf32>, tensor<16x64x!nn.block<q5_0>> -> tensor<?x16xf32>
  %2 = nn.linear %x, %c : tensor<?x64xf32>, tensor<16x64xf32> -> tensor<?x16xf32>
  return %0, %1, %2 : tensor<?x48xf32>, tensor<?x16xf32>, tensor<?x16xf32>
}

// A table that is a weight too is read with the scales of the weight, so that it is kept once.
// CHECK-LABEL: func.func @tied
// CHECK:         %[[A:.+]] = nn.convert %{{.+}} : tensor<48x64x!nn.block<q4_1>> -> tensor<48x64x!nn.block<q4_1, aligned>>
// CHECK:         nn.embedding %{{.+}}, %[[A]]
// CHECK:         nn.linear %{{.+}}, %[[A]]
func.func @tied(%ids: tensor<?xi32>, %a: tensor<48x64x!nn.block<q4_1>> {nn.parameter}) -> tensor<?x48xf32> {
  %x = nn.embedding %ids, %a : tensor<?xi32>, tensor<48x64x!nn.block<q4_1>> -> tensor<?x64xf32>
  %y = nn.linear %x, %a : tensor<?x64xf32>, tensor<48x64x!nn.block<q4_1>> -> tensor<?x48xf32>
  return %y : tensor<?x48xf32>
}

// REMARK: [Missed]{{.*}}"the width of the input is not known"
// CHECK-LABEL: func.func @unknown_width
// CHECK-NOT:     nn.convert
func.func @unknown_width(%x: tensor<?x?xf32>, %a: tensor<48x64x!nn.block<q4_1>>) -> tensor<?x48xf32> {
  %0 = nn.linear %x, %a : tensor<?x?xf32>, tensor<48x64x!nn.block<q4_1>> -> tensor<?x48xf32>
  return %0 : tensor<?x48xf32>
}
