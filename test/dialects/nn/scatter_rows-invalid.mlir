// RUN: llmc-opt %s -split-input-file -verify-diagnostics

func.func @f(%x: tensor<5x9xf32>, %r: tensor<5xi32>) {
  // expected-error@+1 {{expected a known number of rows like those of 'tensor<5x9xf32>'}}
  %0 = nn.scatter_rows %x, %r : tensor<5x9xf32>, tensor<5xi32> -> tensor<?x9xf32>
  return
}

// -----

func.func @f(%x: tensor<5x9xf32>, %r: tensor<4xi32>) {
  // expected-error@+1 {{has 5 input rows but 4 places}}
  %0 = nn.scatter_rows %x, %r : tensor<5x9xf32>, tensor<4xi32> -> tensor<7x9xf32>
  return
}
