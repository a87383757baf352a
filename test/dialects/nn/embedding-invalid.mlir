// RUN: llmc-opt %s -split-input-file -verify-diagnostics

func.func @f(%i: tensor<3xi32>, %t: tensor<11x5xf32>) {
  // expected-error@+1 {{has a result of type 'tensor<3x6xf32>', expected 'tensor<3x5xf32>'}}
  %0 = nn.embedding %i, %t : tensor<3xi32>, tensor<11x5xf32> -> tensor<3x6xf32>
  return
}

// -----

func.func @f(%i: tensor<3xi32>, %t: tensor<11x5xf32>) {
  // expected-error@+1 {{has a result of type 'tensor<4x5xf32>', expected 'tensor<3x5xf32>'}}
  %0 = nn.embedding %i, %t : tensor<3xi32>, tensor<11x5xf32> -> tensor<4x5xf32>
  return
}

// -----

func.func @f(%i: tensor<3xi32>, %t: tensor<11x5x!nn.block<q8_0>>) {
  // expected-error@+1 {{has a table of width 5, which is not a multiple of the 32 elements of a q8_0 block}}
  %0 = nn.embedding %i, %t : tensor<3xi32>, tensor<11x5x!nn.block<q8_0>> -> tensor<3x5xf32>
  return
}
