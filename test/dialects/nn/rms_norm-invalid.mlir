// RUN: llmc-opt %s -split-input-file -verify-diagnostics

func.func @f(%x: tensor<2x6xf32>, %w: tensor<4xf32>) {
  // expected-error@+1 {{has an input of width 6, which is not a multiple of the weight's size 4}}
  %0 = nn.rms_norm %x, %w epsilon 1.0e-5 : tensor<2x6xf32>, tensor<4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x6xf32>, %w: tensor<6xf32>) {
  // expected-error@+1 {{needs an epsilon that is not negative}}
  %0 = nn.rms_norm %x, %w epsilon -1.0e-5 : tensor<2x6xf32>, tensor<6xf32>
  return
}
