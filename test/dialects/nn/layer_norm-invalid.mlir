// RUN: llmc-opt %s -split-input-file -verify-diagnostics

func.func @f(%x: tensor<2x6xf32>, %w: tensor<3xf32>) {
  // expected-error@+1 {{has a weight of size 3, but the input's width is 6}}
  %0 = nn.layer_norm %x, %w epsilon 1.0e-5 : tensor<2x6xf32>, tensor<3xf32>
  return
}

// -----

func.func @f(%x: tensor<2x6xf32>, %w: tensor<6xf32>, %b: tensor<3xf32>) {
  // expected-error@+1 {{has a bias of size 3, but the input's width is 6}}
  %0 = nn.layer_norm %x, %w bias %b epsilon 1.0e-5 : tensor<2x6xf32>, tensor<6xf32>, tensor<3xf32>
  return
}

// -----

func.func @f(%x: tensor<2x6xf32>, %w: tensor<6xf32>) {
  // expected-error@+1 {{needs an epsilon that is not negative}}
  %0 = nn.layer_norm %x, %w epsilon -1.0 : tensor<2x6xf32>, tensor<6xf32>
  return
}
