// RUN: llmc-opt %s --lower-training-to-cuda -split-input-file -verify-diagnostics

func.func @f(%x: tensor<8x4xf32>) -> tensor<8x4xf16> {
  // expected-error@+1 {{has numbers of 'f16', which training on GPUs does not support}}
  %y = arith.truncf %x : tensor<8x4xf32> to tensor<8x4xf16>
  return %y : tensor<8x4xf16>
}

// -----

func.func @f(%x: tensor<8x512xf32>) -> tensor<8x512xf32> {
  // expected-error@+1 {{has heads of 512, of which training on GPUs supports 256 at most}}
  %y = nn.attention %x, %x, %x heads 1 kv_heads 1 scale 0.5 causal : tensor<8x512xf32>, tensor<8x512xf32>, tensor<8x512xf32> -> tensor<8x512xf32>
  return %y : tensor<8x512xf32>
}

// -----

func.func @f(%x: tensor<8x4xf32>, %k: tensor<6x4xf32>) -> tensor<8x4xf32> {
  // expected-error@+1 {{has keys of other rows than queries, which training on GPUs does not support}}
  %y = nn.attention %x, %k, %k heads 1 kv_heads 1 scale 0.5 : tensor<8x4xf32>, tensor<6x4xf32>, tensor<6x4xf32> -> tensor<8x4xf32>
  return %y : tensor<8x4xf32>
}

// -----

func.func @f(%x: tensor<8x4xf32>, %b: tensor<1x5xf32>) -> tensor<8x4xf32> {
  // expected-error@+1 {{has a bias, which training on GPUs does not support}}
  %y = nn.attention %x, %x, %x bias %b : tensor<1x5xf32> by_distance heads 1 kv_heads 1 scale 0.5 : tensor<8x4xf32>, tensor<8x4xf32>, tensor<8x4xf32> -> tensor<8x4xf32>
  return %y : tensor<8x4xf32>
}
