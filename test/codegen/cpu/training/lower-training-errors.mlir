// RUN: llmc-opt %s --lower-training-to-cpu=target-cpu=x86-64-v3 -split-input-file -verify-diagnostics

func.func @f(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // expected-error@+1 {{has a result of type 'tensor<?x4xf32>', of which training has to know the sizes}}
  %y = nn.silu %x : tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

func.func @f(%x: tensor<8x4xf32>) -> tensor<8x4xf32> {
  // expected-error@+1 {{'nn.silu' op is not supported in training}}
  %y = nn.silu %x : tensor<8x4xf32>
  return %y : tensor<8x4xf32>
}

// -----

func.func @f(%x: tensor<8x4xf32>) -> tensor<8x4xf32> {
  // expected-error@+1 {{has alibi slopes, which training does not support}}
  %y = nn.attention %x, %x, %x heads 1 kv_heads 1 scale 0.5 causal alibi [0.5] : tensor<8x4xf32>, tensor<8x4xf32>, tensor<8x4xf32> -> tensor<8x4xf32>
  return %y : tensor<8x4xf32>
}

// -----

func.func @f(%x: tensor<8x4xf32>) -> tensor<8x4xbf16> {
  // expected-error@+1 {{has numbers of bf16, which training supports on processors with avx512bf16 only, not on x86-64-v3}}
  %y = arith.truncf %x : tensor<8x4xf32> to tensor<8x4xbf16>
  return %y : tensor<8x4xbf16>
}

// -----

func.func @f(%x: tensor<8x4xf32>, %bias: tensor<8x8xf32>) -> tensor<8x4xf32> {
  // expected-error@+1 {{has a bias that is not by distance, which training does not support}}
  %y = nn.attention %x, %x, %x bias %bias : tensor<8x8xf32> heads 1 kv_heads 1 scale 0.5 : tensor<8x4xf32>, tensor<8x4xf32>, tensor<8x4xf32> -> tensor<8x4xf32>
  return %y : tensor<8x4xf32>
}

// -----

func.func @f(%x: tensor<8x4xf32>, %k: tensor<5x4xf32>) -> tensor<8x4xf32> {
  // expected-error@+1 {{has 5 keys, which are no 2 sequences of one length}}
  %y = nn.attention %x, %k, %k heads 1 kv_heads 1 scale 0.5 {nn.sequence_rows = 4 : i64} : tensor<8x4xf32>, tensor<5x4xf32>, tensor<5x4xf32> -> tensor<8x4xf32>
  return %y : tensor<8x4xf32>
}
