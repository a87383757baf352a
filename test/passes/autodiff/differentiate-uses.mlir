// RUN: llmc-opt %s --nn-differentiate | FileCheck %s

// A table that is read twice has two gradients, of which the parameter's is the sum.
nn.param @table : tensor<9x16xf32>

// CHECK: -> (tensor<8x9xf32>, tensor<9x16xf32> {nn.gradient = @table}, tensor<9x16xf32> {nn.gradient = @table})
func.func @loss(%ids: tensor<8xi32>) -> tensor<8x9xf32> {
  %t = nn.load @table : tensor<9x16xf32>
  %x = nn.embedding %ids, %t : tensor<8xi32>, tensor<9x16xf32> -> tensor<8x16xf32>
  %y = nn.linear %x, %t : tensor<8x16xf32>, tensor<9x16xf32> -> tensor<8x9xf32>
  // CHECK: nn.scatter_rows
  return %y : tensor<8x9xf32>
}
