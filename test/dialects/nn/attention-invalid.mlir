// RUN: llmc-opt %s -split-input-file -verify-diagnostics

func.func @f(%q: tensor<2x8xf32>, %k: tensor<3x4xf32>, %v: tensor<3x4xf32>, %s: tensor<4xi32>, %b: tensor<8x2xf32>) {
  // expected-error@+1 {{needs positive numbers of heads, but has 4 and 0}}
  %0 = nn.attention %q, %k, %v  heads 4 kv_heads 0 scale 0.5 : tensor<2x8xf32>, tensor<3x4xf32>, tensor<3x4xf32> -> tensor<2x8xf32>
  return
}

// -----

func.func @f(%q: tensor<2x8xf32>, %k: tensor<3x4xf32>, %v: tensor<3x4xf32>, %s: tensor<4xi32>, %b: tensor<8x2xf32>) {
  // expected-error@+1 {{has 9 query heads, which is not a multiple of its 4 key heads}}
  %0 = nn.attention %q, %k, %v  heads 9 kv_heads 4 scale 0.5 : tensor<2x8xf32>, tensor<3x4xf32>, tensor<3x4xf32> -> tensor<2x8xf32>
  return
}

// -----

func.func @f(%q: tensor<2x9xf32>, %k: tensor<3x4xf32>, %v: tensor<3x4xf32>, %s: tensor<4xi32>, %b: tensor<8x2xf32>) {
  // expected-error@+1 {{has queries of width 9, which is not a multiple of its 4 heads}}
  %0 = nn.attention %q, %k, %v  heads 4 kv_heads 2 scale 0.5 : tensor<2x9xf32>, tensor<3x4xf32>, tensor<3x4xf32> -> tensor<2x8xf32>
  return
}

// -----

func.func @f(%q: tensor<2x8xf32>, %k: tensor<3x4xf32>, %v: tensor<3x4xf32>, %s: tensor<4xi32>, %b: tensor<8x2xf32>) {
  // expected-error@+1 {{needs a positive window, but has 0}}
  %0 = nn.attention %q, %k, %v  heads 4 kv_heads 2 scale 0.5 window 0 : tensor<2x8xf32>, tensor<3x4xf32>, tensor<3x4xf32> -> tensor<2x8xf32>
  return
}

// -----

func.func @f(%q: tensor<2x8xf32>, %k: tensor<3x4xf32>, %v: tensor<3x4xf32>) {
  // expected-error@+1 {{needs a positive window, but has -3}}
  %0 = nn.attention %q, %k, %v  heads 4 kv_heads 2 scale 0.5 window -3 : tensor<2x8xf32>, tensor<3x4xf32>, tensor<3x4xf32> -> tensor<2x8xf32>
  return
}

// -----

func.func @f(%q: tensor<2x8xf32>, %k: tensor<3x4xf32>, %v: tensor<3x4xf32>) {
  // expected-error@+1 {{has a window of 2147483648, expected at most 2147483647}}
  %0 = nn.attention %q, %k, %v  heads 4 kv_heads 2 scale 0.5 window 2147483648 : tensor<2x8xf32>, tensor<3x4xf32>, tensor<3x4xf32> -> tensor<2x8xf32>
  return
}

// -----

func.func @f(%q: tensor<2x8xf32>, %k: tensor<3x4xf32>, %v: tensor<3x4xf32>, %s: tensor<4xi32>, %b: tensor<8x2xf32>) {
  // expected-error@+1 {{needs a positive softcap}}
  %0 = nn.attention %q, %k, %v  heads 4 kv_heads 2 scale 0.5 softcap 0.0 : tensor<2x8xf32>, tensor<3x4xf32>, tensor<3x4xf32> -> tensor<2x8xf32>
  return
}

// -----

func.func @f(%q: tensor<2x8xf32>, %k: tensor<3x4xf32>, %v: tensor<3x4xf32>, %s: tensor<4xi32>, %b: tensor<8x2xf32>) {
  // expected-error@+1 {{has 2 alibi slopes for 4 heads}}
  %0 = nn.attention %q, %k, %v  heads 4 kv_heads 2 scale 0.5 alibi [1.0, 2.0] : tensor<2x8xf32>, tensor<3x4xf32>, tensor<3x4xf32> -> tensor<2x8xf32>
  return
}

// -----

func.func @f(%q: tensor<2x8xf32>, %k: tensor<3x4xf32>, %v: tensor<3x4xf32>, %s: tensor<4xi32>, %b: tensor<8x2xf32>) {
  // expected-error@+1 {{has a result of type 'tensor<5x8xf32>', expected 'tensor<2x8xf32>'}}
  %0 = nn.attention %q, %k, %v  heads 4 kv_heads 2 scale 0.5 : tensor<2x8xf32>, tensor<3x4xf32>, tensor<3x4xf32> -> tensor<5x8xf32>
  return
}

// -----

func.func @f(%q: tensor<2x8xf32>, %k: tensor<3x6xf32>, %v: tensor<3x4xf32>, %s: tensor<4xi32>, %b: tensor<8x2xf32>) {
  // expected-error@+1 {{has keys of width 6, but 2 heads of 2 are expected}}
  %0 = nn.attention %q, %k, %v  heads 4 kv_heads 2 scale 0.5 : tensor<2x8xf32>, tensor<3x6xf32>, tensor<3x4xf32> -> tensor<2x8xf32>
  return
}

// -----

func.func @f(%q: tensor<2x8xf32>, %k: tensor<3x4xf32>, %v: tensor<3x6xf32>, %s: tensor<4xi32>, %b: tensor<8x2xf32>) {
  // expected-error@+1 {{has a result of type 'tensor<2x8xf32>', expected 'tensor<2x12xf32>'}}
  %0 = nn.attention %q, %k, %v  heads 4 kv_heads 2 scale 0.5 : tensor<2x8xf32>, tensor<3x4xf32>, tensor<3x6xf32> -> tensor<2x8xf32>
  return
}

// -----

func.func @f(%q: tensor<2x8xf32>, %k: tensor<3x4xf32>, %v: tensor<5x4xf32>, %s: tensor<4xi32>, %b: tensor<8x2xf32>) {
  // expected-error@+1 {{has 3 keys but 5 values}}
  %0 = nn.attention %q, %k, %v  heads 4 kv_heads 2 scale 0.5 : tensor<2x8xf32>, tensor<3x4xf32>, tensor<5x4xf32> -> tensor<2x8xf32>
  return
}

// -----

func.func @f(%q: tensor<2x8xf32>, %k: tensor<3x4xf32>, %v: tensor<3x4xf32>, %s: tensor<4xi32>, %b: tensor<8x2xf32>) {
  // expected-error@+1 {{is causal, but has 2 queries and 3 keys}}
  %0 = nn.attention %q, %k, %v  heads 4 kv_heads 2 scale 0.5 causal : tensor<2x8xf32>, tensor<3x4xf32>, tensor<3x4xf32> -> tensor<2x8xf32>
  return
}

// -----

func.func @f(%q: tensor<2x8xf32>, %k: tensor<3x4xf32>, %v: tensor<3x4xf32>, %s: tensor<4xi32>, %b: tensor<8x2xf32>) {
  // expected-error@+1 {{has 4 segments for 2 queries and 4 for 3 keys}}
  %0 = nn.attention %q, %k, %v segments %s : tensor<4xi32> heads 4 kv_heads 2 scale 0.5 : tensor<2x8xf32>, tensor<3x4xf32>, tensor<3x4xf32> -> tensor<2x8xf32>
  return
}

// -----

func.func @f(%q: tensor<2x8xf32>, %k: tensor<3x4xf32>, %v: tensor<3x4xf32>, %s: tensor<4xi32>, %b: tensor<8x2xf32>) {
  // expected-error@+1 {{has a bias of type 'tensor<8x2xf32>', expected [heads * queries, keys] for 4 heads, queries of type 'tensor<2x8xf32>' and keys of type 'tensor<3x4xf32>'}}
  %0 = nn.attention %q, %k, %v bias %b : tensor<8x2xf32> heads 4 kv_heads 2 scale 0.5 : tensor<2x8xf32>, tensor<3x4xf32>, tensor<3x4xf32> -> tensor<2x8xf32>
  return
}

// -----

func.func @f(%q: tensor<2x8xf32>, %k: tensor<3x4xf32>, %v: tensor<3x5xf32>) {
  // expected-error@+1 {{has values of width 5, which is not a multiple of its 2 key heads}}
  %0 = nn.attention %q, %k, %v  heads 4 kv_heads 2 scale 0.5 : tensor<2x8xf32>, tensor<3x4xf32>, tensor<3x5xf32> -> tensor<2x8xf32>
  return
}

// -----

func.func @f(%q: tensor<2x8xf32>, %k: tensor<3x4xf32>, %s: tensor<3xi32>) {
  // expected-error@+1 {{has key_segments, but no segments of its queries}}
  %0 = nn.attention %q, %k, %k key_segments %s : tensor<3xi32> heads 4 kv_heads 2 scale 0.5 : tensor<2x8xf32>, tensor<3x4xf32>, tensor<3x4xf32> -> tensor<2x8xf32>
  return
}

// -----

func.func @f(%q: tensor<2x8xf32>, %k: tensor<3x4xf32>, %s: tensor<2xi32>, %t: tensor<4xi32>) {
  // expected-error@+1 {{has 2 segments for 2 queries and 4 for 3 keys}}
  %0 = nn.attention %q, %k, %k segments %s : tensor<2xi32> key_segments %t : tensor<4xi32> heads 4 kv_heads 2 scale 0.5 : tensor<2x8xf32>, tensor<3x4xf32>, tensor<3x4xf32> -> tensor<2x8xf32>
  return
}

// -----

func.func @f(%q: tensor<2x8xf32>, %k: tensor<3x4xf32>) {
  // expected-error@+1 {{is by_distance, but has no bias}}
  %0 = nn.attention %q, %k, %k by_distance heads 4 kv_heads 2 scale 0.5 : tensor<2x8xf32>, tensor<3x4xf32>, tensor<3x4xf32> -> tensor<2x8xf32>
  return
}

// -----

func.func @f(%q: tensor<2x8xf32>, %k: tensor<3x4xf32>, %b: tensor<4x6xf32>) {
  // expected-error@+1 {{has a bias of type 'tensor<4x6xf32>', expected [heads, 2 * reach + 1] for 4 heads}}
  %0 = nn.attention %q, %k, %k bias %b : tensor<4x6xf32> by_distance heads 4 kv_heads 2 scale 0.5 : tensor<2x8xf32>, tensor<3x4xf32>, tensor<3x4xf32> -> tensor<2x8xf32>
  return
}
