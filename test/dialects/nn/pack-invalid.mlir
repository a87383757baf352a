// RUN: llmc-opt %s -split-input-file -verify-diagnostics

func.func @lanes(%w: tensor<20x64xf32>) {
  // expected-error@+1 {{needs a positive number of lanes, but has 0}}
  %0 = nn.pack %w lanes 0 : tensor<20x64xf32> -> tensor<2x64x64xi8>
  return
}

// -----

func.func @sizes(%w: tensor<20x?xf32>) {
  // expected-error@+1 {{needs a weight of known sizes, but has 'tensor<20x?xf32>'}}
  %0 = nn.pack %w lanes 16 : tensor<20x?xf32> -> tensor<2x64x64xi8>
  return
}

// -----

func.func @element(%w: tensor<20x64xf16>) {
  // expected-error@+1 {{packs weights of f32, bf16 and block-quantized elements, not 'tensor<20x64xf16>'}}
  %0 = nn.pack %w lanes 16 : tensor<20x64xf16> -> tensor<2x32x64xi8>
  return
}

// -----

// A format of activations only.
func.func @activation(%w: tensor<20x64x!nn.block<q16_k>>) {
  // expected-error@+1 {{packs weights of f32, bf16 and block-quantized elements, not 'tensor<20x64x!nn.block<q16_k>>'}}
  %0 = nn.pack %w lanes 16 : tensor<20x64x!nn.block<q16_k>> -> tensor<2x32x64xi8>
  return
}

// -----

func.func @panels(%w: tensor<20x64x!nn.block<q4_1>>) {
  // expected-error@+1 {{has a result of type 'tensor<2x2x288xi8>', expected 'tensor<2x2x320xi8>'}}
  %0 = nn.pack %w lanes 16 : tensor<20x64x!nn.block<q4_1>> -> tensor<2x2x288xi8>
  return
}
