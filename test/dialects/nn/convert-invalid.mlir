// RUN: llmc-opt %s -split-input-file -verify-diagnostics

func.func @f(%x: tensor<2x64xf32>) {
  // expected-error@+1 {{changes the shape from 'tensor<2x64xf32>' to 'tensor<2x32xf32>'}}
  %0 = nn.convert %x : tensor<2x64xf32> -> tensor<2x32xf32>
  return
}

// -----

func.func @f(%x: tensor<2x64xf32>) {
  // expected-error@+1 {{converts floating-point and block-quantized elements only}}
  %0 = nn.convert %x : tensor<2x64xf32> -> tensor<2x64xi32>
  return
}

// -----

func.func @f(%x: tensor<2x256xf32>) {
  // expected-error@+1 {{quantizes to q8_0, q4_0, q4_1, q16_k and q8_k, not to q4_k}}
  %0 = nn.convert %x : tensor<2x256xf32> -> tensor<2x256x!nn.block<q4_k>>
  return
}

// -----

func.func @f(%x: tensor<2x32x!nn.block<q4_0>>) {
  // expected-error@+1 {{aligns scales of '!nn.block<q4_0>' as '!nn.block<q4_1, aligned>', expected the same format}}
  %0 = nn.convert %x : tensor<2x32x!nn.block<q4_0>> -> tensor<2x32x!nn.block<q4_1, aligned>>
  return
}

// -----

// The last block of a row may be shorter, but has whole groups of 32.
func.func @f(%x: tensor<2x160xf32>, %y: tensor<2x144xf32>) {
  %0 = nn.convert %x : tensor<2x160xf32> -> tensor<2x160x!nn.block<q16_k>>
  // expected-error@+1 {{has a result of width 144, which is not a multiple of the 32 elements of a q16_k block}}
  %1 = nn.convert %y : tensor<2x144xf32> -> tensor<2x144x!nn.block<q16_k>>
  return
}

// -----

func.func @f(%x: tensor<2x5xf32>) {
  // expected-error@+1 {{has a result of width 5, which is not a multiple of the 32 elements of a q8_0 block}}
  %0 = nn.convert %x : tensor<2x5xf32> -> tensor<2x5x!nn.block<q8_0>>
  return
}

// -----

func.func @f(%x: tensor<2x5x!nn.block<q8_0>>) {
  // expected-error@+1 {{has a input of width 5, which is not a multiple of the 32 elements of a q8_0 block}}
  %0 = nn.convert %x : tensor<2x5x!nn.block<q8_0>> -> tensor<2x5xf32>
  return
}

// -----

func.func @f(%x: tensor<f32>) {
  // expected-error@+1 {{has a result of blocks without a dimension}}
  %0 = nn.convert %x : tensor<f32> -> tensor<!nn.block<q8_0>>
  return
}
