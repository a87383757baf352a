// Siblings that cannot be merged stay, and a remark says why.
// RUN: llmc-opt %s --verify-numerics --nn-merge-linears --remarks-filter=nn-merge-linears --remark-format=emitRemark 2>&1 | FileCheck %s

// CHECK: [Missed]{{.*}}"weights have elements !nn.block<q4_k> and !nn.block<q6_k>"
// CHECK: [Passed]{{.*}}"2 products of width 80 in all became one"
// CHECK: [Missed]{{.*}}"one has a bias and the other has none"
// CHECK: [Missed]{{.*}}"one has a bias and the other has none"
// CHECK: [Missed]{{.*}}"its weight is not a parameter"

// In a file of mixed formats what agrees is merged.
// CHECK-LABEL: func.func @mixed
// CHECK:         nn.concat %{{.+}}, %{{.+}} : tensor<64x256x!nn.block<q4_k>>, tensor<16x256x!nn.block<q4_k>>
// CHECK-COUNT-2: nn.linear
func.func @mixed(%x: tensor<?x256xf32>, %q: tensor<64x256x!nn.block<q4_k>> {nn.parameter},
                 %k: tensor<16x256x!nn.block<q4_k>> {nn.parameter}, %v: tensor<16x256x!nn.block<q6_k>> {nn.parameter})
    -> (tensor<?x64xf32>, tensor<?x16xf32>, tensor<?x16xf32>) {
  %0 = nn.linear %x, %q : tensor<?x256xf32>, tensor<64x256x!nn.block<q4_k>> -> tensor<?x64xf32>
  %1 = nn.linear %x, %k : tensor<?x256xf32>, tensor<16x256x!nn.block<q4_k>> -> tensor<?x16xf32>
  %2 = nn.linear %x, %v : tensor<?x256xf32>, tensor<16x256x!nn.block<q6_k>> -> tensor<?x16xf32>
  return %0, %1, %2 : tensor<?x64xf32>, tensor<?x16xf32>, tensor<?x16xf32>
}

// CHECK-LABEL: func.func @biases
// CHECK-NOT:     nn.concat
func.func @biases(%x: tensor<?x64xf32>, %q: tensor<64x64xf32> {nn.parameter}, %k: tensor<64x64xf32> {nn.parameter},
                  %b: tensor<64xf32> {nn.parameter}) -> (tensor<?x64xf32>, tensor<?x64xf32>) {
  %0 = nn.linear %x, %q bias %b : tensor<?x64xf32>, tensor<64x64xf32>, tensor<64xf32> -> tensor<?x64xf32>
  %1 = nn.linear %x, %k : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
  return %0, %1 : tensor<?x64xf32>, tensor<?x64xf32>
}

// CHECK-LABEL: func.func @computed
// CHECK-NOT:     nn.concat
func.func @computed(%x: tensor<?x64xf32>, %q: tensor<64x64xf32> {nn.parameter}, %k: tensor<64x64xf32>)
    -> (tensor<?x64xf32>, tensor<?x64xf32>) {
  %0 = nn.linear %x, %q : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
  %1 = nn.linear %x, %k : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
  return %0, %1 : tensor<?x64xf32>, tensor<?x64xf32>
}
