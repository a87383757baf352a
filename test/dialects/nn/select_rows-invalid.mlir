// RUN: llmc-opt %s -split-input-file -verify-diagnostics

func.func @f(%x: tensor<5x9xf32>, %r: tensor<2xi32>) {
  // expected-error@+1 {{has a result of type 'tensor<2x8xf32>', expected 'tensor<2x9xf32>'}}
  %0 = nn.select_rows %x, %r : tensor<5x9xf32>, tensor<2xi32> -> tensor<2x8xf32>
  return
}

// -----

func.func @f(%x: tensor<5x9xf32>, %r: tensor<2xi32>) {
  // expected-error@+1 {{has a result of type 'tensor<5x9xf32>', expected 'tensor<2x9xf32>'}}
  %0 = nn.select_rows %x, %r : tensor<5x9xf32>, tensor<2xi32> -> tensor<5x9xf32>
  return
}
