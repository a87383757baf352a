// RUN: llmc-opt %s -split-input-file -verify-diagnostics

func.func @f(%x: tensor<5x9xf32>, %t: tensor<4xi32>) {
  // expected-error@+1 {{has 5 rows of logits but 4 targets}}
  %0 = nn.cross_entropy %x, %t : tensor<5x9xf32>, tensor<4xi32> -> tensor<5x1xf32>
  return
}

// -----

func.func @f(%x: tensor<5x9xf32>, %t: tensor<5xi32>) {
  // expected-error@+1 {{has a result of type 'tensor<5x9xf32>', expected 'tensor<5x1xf32>'}}
  %0 = nn.cross_entropy %x, %t : tensor<5x9xf32>, tensor<5xi32> -> tensor<5x9xf32>
  return
}

// -----

func.func @f(%x: tensor<5x9xf32>, %t: tensor<5xi32>) {
  // expected-error@+1 {{has a smoothing of 1.000000e+00, expected one from 0 to less than 1}}
  %0 = nn.cross_entropy %x, %t smoothing 1.0 : tensor<5x9xf32>, tensor<5xi32> -> tensor<5x1xf32>
  return
}
