// RUN: llmc-opt %s --nn-check-expected -o /dev/null
// Structured operations, of which gradients are made.

func.func @product_of_transposed() -> tensor<3x2xf32> {
  %a = arith.constant dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32>
  %b = arith.constant dense<[[1.0, -1.0], [2.0, 0.5]]> : tensor<2x2xf32>
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<3x2xf32>
  %t = linalg.transpose ins(%a : tensor<2x3xf32>) outs(%e : tensor<3x2xf32>) permutation = [1, 0]
  %init = linalg.fill ins(%zero : f32) outs(%e : tensor<3x2xf32>) -> tensor<3x2xf32>
  %c = linalg.matmul ins(%t, %b : tensor<3x2xf32>, tensor<2x2xf32>) outs(%init : tensor<3x2xf32>) -> tensor<3x2xf32>
  return %c : tensor<3x2xf32>
}
func.func @product_of_transposed.expected() -> tensor<3x2xf32> {
  %c = arith.constant dense<[[9.0, 1.0], [12.0, 0.5], [15.0, 0.0]]> : tensor<3x2xf32>
  return %c : tensor<3x2xf32>
}

func.func @sums_and_copies() -> tensor<2x3xf32> {
  %a = arith.constant dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32>
  %init = arith.constant dense<[10.0, 20.0]> : tensor<2xf32>
  %s = linalg.reduce { arith.addf } ins(%a : tensor<2x3xf32>) outs(%init : tensor<2xf32>) dimensions = [1]
  %e = tensor.empty() : tensor<2x3xf32>
  %b = linalg.broadcast ins(%s : tensor<2xf32>) outs(%e : tensor<2x3xf32>) dimensions = [1]
  return %b : tensor<2x3xf32>
}
func.func @sums_and_copies.expected() -> tensor<2x3xf32> {
  %b = arith.constant dense<[[16.0, 16.0, 16.0], [35.0, 35.0, 35.0]]> : tensor<2x3xf32>
  return %b : tensor<2x3xf32>
}

#matrix = affine_map<(d0, d1) -> (d0, d1)>
#column = affine_map<(d0, d1) -> (d1)>
func.func @elements() -> tensor<2x3xf32> {
  %x = arith.constant dense<[[1.0, -2.0, 0.0], [-4.0, 5.0, -6.0]]> : tensor<2x3xf32>
  %y = arith.constant dense<[1.0, 10.0, 100.0]> : tensor<3xf32>
  %e = tensor.empty() : tensor<2x3xf32>
  %factor = arith.constant 2.0 : f32
  %r = linalg.generic {indexing_maps = [#matrix, #column, #matrix], iterator_types = ["parallel", "parallel"]}
      ins(%x, %y : tensor<2x3xf32>, tensor<3xf32>) outs(%e : tensor<2x3xf32>) {
  ^bb0(%a: f32, %b: f32, %old: f32):
    %zero = arith.constant 0.0 : f32
    %positive = arith.cmpf ogt, %a, %zero : f32
    %p = arith.mulf %b, %factor : f32
    %s = arith.select %positive, %p, %a : f32
    linalg.yield %s : f32
  } -> tensor<2x3xf32>
  return %r : tensor<2x3xf32>
}
func.func @elements.expected() -> tensor<2x3xf32> {
  %r = arith.constant dense<[[2.0, -2.0, 0.0], [-4.0, 20.0, -6.0]]> : tensor<2x3xf32>
  return %r : tensor<2x3xf32>
}

// Where the loops are: 10 i + j below the diagonal, but no more than 2 below it.
func.func @indices() -> tensor<4x3xf32> {
  %e = tensor.empty() : tensor<4x3xf32>
  %r = linalg.generic {indexing_maps = [#matrix], iterator_types = ["parallel", "parallel"]} outs(%e : tensor<4x3xf32>) {
  ^bb0(%old: f32):
    %i = linalg.index 0 : index
    %j = linalg.index 1 : index
    %c3 = arith.constant 3 : index
    %c10 = arith.constant 10 : index
    %zero = arith.constant 0.0 : f32
    %d = arith.subi %i, %j : index
    %below = arith.cmpi sge, %i, %j : index
    %near = arith.cmpi slt, %d, %c3 : index
    %both = arith.andi %below, %near : i1
    %tens = arith.muli %i, %c10 : index
    %all = arith.addi %tens, %j : index
    %integer = arith.index_cast %all : index to i32
    %number = arith.sitofp %integer : i32 to f32
    %s = arith.select %both, %number, %zero : f32
    linalg.yield %s : f32
  } -> tensor<4x3xf32>
  return %r : tensor<4x3xf32>
}
func.func @indices.expected() -> tensor<4x3xf32> {
  %r = arith.constant dense<[[0.0, 0.0, 0.0], [10.0, 11.0, 0.0], [20.0, 21.0, 22.0], [0.0, 31.0, 32.0]]> : tensor<4x3xf32>
  return %r : tensor<4x3xf32>
}
