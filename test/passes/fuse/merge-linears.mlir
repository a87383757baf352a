// RUN: llmc-opt %s --verify-numerics --nn-merge-linears | FileCheck %s
// Another run finds nothing to do.
// RUN: llmc-opt %s --nn-merge-linears -o %t
// RUN: llmc-opt %t --nn-merge-linears | diff %t -

nn.param @q : tensor<80x64xf32>
nn.param @k : tensor<16x64xf32>
nn.param @bq : tensor<80xf32>
nn.param @bk : tensor<16xf32>

// Parameters may be loaded where they are used: the loads move up.
// CHECK-LABEL: func.func @query_key
// CHECK-SAME:    %[[X:[^:]+]]: tensor<?x64xf32>
// CHECK-DAG:     %[[Q:.+]] = nn.load @q
// CHECK-DAG:     %[[K:.+]] = nn.load @k
// CHECK-DAG:     %[[BQ:.+]] = nn.load @bq
// CHECK-DAG:     %[[BK:.+]] = nn.load @bk
// CHECK-DAG:     %[[W:.+]] = nn.concat %[[Q]], %[[K]]
// CHECK-DAG:     %[[B:.+]] = nn.concat %[[BQ]], %[[BK]]
// CHECK:         %[[Y:.+]] = nn.linear %[[X]], %[[W]] bias %[[B]] : {{.*}} -> tensor<?x96xf32>
// CHECK:         %[[PARTS:.+]]:2 = nn.split %[[Y]] : tensor<?x96xf32> -> tensor<?x80xf32>, tensor<?x16xf32>
// CHECK-NOT:     nn.linear
// CHECK:         return %[[PARTS]]#0, %[[PARTS]]#1
func.func @query_key(%x: tensor<?x64xf32>) -> (tensor<?x80xf32>, tensor<?x16xf32>) {
  %q = nn.load @q : tensor<80x64xf32>
  %bq = nn.load @bq : tensor<80xf32>
  %0 = nn.linear %x, %q bias %bq : tensor<?x64xf32>, tensor<80x64xf32>, tensor<80xf32> -> tensor<?x80xf32>
  %k = nn.load @k : tensor<16x64xf32>
  %bk = nn.load @bk : tensor<16xf32>
  %1 = nn.linear %x, %k bias %bk : tensor<?x64xf32>, tensor<16x64xf32>, tensor<16xf32> -> tensor<?x16xf32>
  return %0, %1 : tensor<?x80xf32>, tensor<?x16xf32>
}

// Products of different inputs are no siblings.
// CHECK-LABEL: func.func @strangers
// CHECK-NOT:     nn.split
func.func @strangers(%x: tensor<?x64xf32>, %y: tensor<?x64xf32>, %w: tensor<64x64xf32> {nn.parameter})
    -> (tensor<?x64xf32>, tensor<?x64xf32>) {
  %0 = nn.linear %x, %w : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
  %1 = nn.linear %y, %w : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
  return %0, %1 : tensor<?x64xf32>, tensor<?x64xf32>
}
