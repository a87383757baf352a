// RUN: llmc-opt %s --nn-check-expected -o /dev/null
// Tiles: slices in loops, and the arithmetic of their bounds.

#last = affine_map<(d0) -> (3, -d0 + 5)>
#twice = affine_map<(d0) -> (d0 * 2)>

func.func @sum_of_pieces() -> tensor<5x4xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %x = arith.constant dense<[[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0], [9.0, 10.0, 11.0, 12.0], [13.0, 14.0, 15.0, 16.0],
                             [17.0, 18.0, 19.0, 20.0]]> : tensor<5x4xf32>
  %rows = tensor.dim %x, %c0 : tensor<5x4xf32>
  %empty = tensor.empty() : tensor<5x4xf32>
  %r = scf.for %i = %c0 to %rows step %c3 iter_args(%all = %empty) -> tensor<5x4xf32> {
    %size = affine.min #last(%i)
    %r0 = scf.for %j = %c0 to %c3 step %c1 iter_args(%some = %all) -> tensor<5x4xf32> {
      %k = arith.minsi %j, %c1 : index
      %column = affine.apply #twice(%k)
      %piece = tensor.extract_slice %x[%i, %column] [%size, 2] [1, 1] : tensor<5x4xf32> to tensor<?x2xf32>
      %double = arith.addf %piece, %piece : tensor<?x2xf32>
      %more = tensor.insert_slice %double into %some[%i, %column] [%size, 2] [1, 1] : tensor<?x2xf32> into tensor<5x4xf32>
      scf.yield %more : tensor<5x4xf32>
    }
    scf.yield %r0 : tensor<5x4xf32>
  }
  return %r : tensor<5x4xf32>
}
func.func @sum_of_pieces.expected() -> tensor<5x4xf32> {
  %x = arith.constant dense<[[2.0, 4.0, 6.0, 8.0], [10.0, 12.0, 14.0, 16.0], [18.0, 20.0, 22.0, 24.0], [26.0, 28.0, 30.0, 32.0],
                             [34.0, 36.0, 38.0, 40.0]]> : tensor<5x4xf32>
  return %x : tensor<5x4xf32>
}

// Every second row and column.
func.func @strides() -> tensor<2x2xi32> {
  %x = arith.constant dense<[[1, 2, 3], [4, 5, 6], [7, 8, 9]]> : tensor<3x3xi32>
  %y = tensor.extract_slice %x[0, 0] [2, 2] [2, 2] : tensor<3x3xi32> to tensor<2x2xi32>
  return %y : tensor<2x2xi32>
}
func.func @strides.expected() -> tensor<2x2xi32> {
  %y = arith.constant dense<[[1, 3], [7, 9]]> : tensor<2x2xi32>
  return %y : tensor<2x2xi32>
}

func.func @shapes() -> tensor<2x6xf32> {
  %x = arith.constant dense<[[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [-1.0, -2.0, -3.0, -4.0, -5.0, -6.0]]> : tensor<2x6xf32>
  %e = tensor.expand_shape %x [[0], [1, 2]] output_shape [2, 3, 2] : tensor<2x6xf32> into tensor<2x3x2xf32>
  %c = tensor.collapse_shape %e [[0], [1, 2]] : tensor<2x3x2xf32> into tensor<2x6xf32>
  %d = tensor.cast %c : tensor<2x6xf32> to tensor<?x6xf32>
  %s = tensor.cast %d : tensor<?x6xf32> to tensor<2x6xf32>
  return %s : tensor<2x6xf32>
}
func.func @shapes.expected() -> tensor<2x6xf32> {
  %x = arith.constant dense<[[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [-1.0, -2.0, -3.0, -4.0, -5.0, -6.0]]> : tensor<2x6xf32>
  return %x : tensor<2x6xf32>
}

// Rows are added to those that they came from, as in the gradient of an embedding.
func.func @scatter() -> tensor<3x2xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %ids = arith.constant dense<[2, 0, 2, 2]> : tensor<4xi32>
  %x = arith.constant dense<[[1.0, 2.0], [10.0, 20.0], [100.0, 200.0], [1000.0, 2000.0]]> : tensor<4x2xf32>
  %zeros = arith.constant dense<0.0> : tensor<3x2xf32>
  %r = scf.for %i = %c0 to %c4 step %c1 iter_args(%sums = %zeros) -> tensor<3x2xf32> {
    %id = tensor.extract %ids[%i] : tensor<4xi32>
    %at = arith.index_cast %id : i32 to index
    %row = tensor.extract_slice %x[%i, 0] [1, 2] [1, 1] : tensor<4x2xf32> to tensor<1x2xf32>
    %old = tensor.extract_slice %sums[%at, 0] [1, 2] [1, 1] : tensor<3x2xf32> to tensor<1x2xf32>
    %sum = arith.addf %row, %old : tensor<1x2xf32>
    %next = tensor.insert_slice %sum into %sums[%at, 0] [1, 2] [1, 1] : tensor<1x2xf32> into tensor<3x2xf32>
    scf.yield %next : tensor<3x2xf32>
  }
  return %r : tensor<3x2xf32>
}
func.func @scatter.expected() -> tensor<3x2xf32> {
  %r = arith.constant dense<[[10.0, 20.0], [0.0, 0.0], [1101.0, 2202.0]]> : tensor<3x2xf32>
  return %r : tensor<3x2xf32>
}
