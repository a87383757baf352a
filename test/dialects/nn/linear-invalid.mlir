// RUN: llmc-opt %s -split-input-file -verify-diagnostics

func.func @f(%x: tensor<2x6xf32>, %w: tensor<5x7xf32>) {
  // expected-error@+1 {{has an input of width 6 but a weight of width 7 (a weight is [out, in])}}
  %0 = nn.linear %x, %w : tensor<2x6xf32>, tensor<5x7xf32> -> tensor<2x5xf32>
  return
}

// -----

func.func @f(%x: tensor<2x7xf32>, %w: tensor<5x7xf32>) {
  // expected-error@+1 {{has a result of type 'tensor<2x7xf32>', expected 'tensor<2x5xf32>'}}
  %0 = nn.linear %x, %w : tensor<2x7xf32>, tensor<5x7xf32> -> tensor<2x7xf32>
  return
}

// -----

func.func @f(%x: tensor<2x7xf32>, %w: tensor<5x7xf32>) {
  // expected-error@+1 {{has a result of type 'tensor<3x5xf32>', expected 'tensor<2x5xf32>'}}
  %0 = nn.linear %x, %w : tensor<2x7xf32>, tensor<5x7xf32> -> tensor<3x5xf32>
  return
}

// -----

func.func @f(%x: tensor<2x7xf32>, %w: tensor<5x7xf32>, %b: tensor<7xf32>) {
  // expected-error@+1 {{has a bias of size 7, but the result's width is 5}}
  %0 = nn.linear %x, %w bias %b : tensor<2x7xf32>, tensor<5x7xf32>, tensor<7xf32> -> tensor<2x5xf32>
  return
}

// -----

func.func @f(%x: tensor<2x7xf32>, %w: tensor<5x7x!nn.block<q4_0>>) {
  // expected-error@+1 {{has a weight of width 7, which is not a multiple of the 32 elements of a q4_0 block}}
  %0 = nn.linear %x, %w : tensor<2x7xf32>, tensor<5x7x!nn.block<q4_0>> -> tensor<2x5xf32>
  return
}

// -----

func.func @f(%x: tensor<2x7x!nn.block<q8_0>>, %w: tensor<5x7xf32>) {
  // expected-error@+1 {{has a input of width 7, which is not a multiple of the 32 elements of a q8_0 block}}
  %0 = nn.linear %x, %w : tensor<2x7x!nn.block<q8_0>>, tensor<5x7xf32> -> tensor<2x5xf32>
  return
}
