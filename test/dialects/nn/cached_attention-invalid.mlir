// RUN: llmc-opt %s -split-input-file -verify-diagnostics

func.func @f(%q: tensor<2x8xf32>, %c: !nn.kv_cache<2x2xf32>, %p: tensor<2xi32>) {
  // expected-error@+1 {{has 4 query heads, which is not a multiple of its 3 key heads}}
  %0 = nn.cached_attention %q, %c at %p heads 4 kv_heads 3 scale 0.5 : tensor<2x8xf32>, !nn.kv_cache<2x2xf32>, tensor<2xi32> -> tensor<2x8xf32>
  return
}

// -----

func.func @f(%q: tensor<2x8xf32>, %c: !nn.kv_cache<3x2xf32>, %p: tensor<2xi32>) {
  // expected-error@+1 {{has 2 key heads but a cache of 3}}
  %0 = nn.cached_attention %q, %c at %p heads 4 kv_heads 2 scale 0.5 : tensor<2x8xf32>, !nn.kv_cache<3x2xf32>, tensor<2xi32> -> tensor<2x8xf32>
  return
}

// -----

func.func @f(%q: tensor<2x8xf32>, %c: !nn.kv_cache<2x5xf32>, %p: tensor<2xi32>) {
  // expected-error@+1 {{has queries with heads of 2 but a cache with heads of 5}}
  %0 = nn.cached_attention %q, %c at %p heads 4 kv_heads 2 scale 0.5 : tensor<2x8xf32>, !nn.kv_cache<2x5xf32>, tensor<2xi32> -> tensor<2x8xf32>
  return
}

// -----

func.func @f(%q: tensor<2x8xf32>, %c: !nn.kv_cache<2x2xf32>, %p: tensor<2xi32>) {
  // expected-error@+1 {{has a result of type 'tensor<2x4xf32>', expected 'tensor<2x8xf32>'}}
  %0 = nn.cached_attention %q, %c at %p heads 4 kv_heads 2 scale 0.5 : tensor<2x8xf32>, !nn.kv_cache<2x2xf32>, tensor<2xi32> -> tensor<2x4xf32>
  return
}

// -----

func.func @f(%q: tensor<2x8xf32>, %c: !nn.kv_cache<2x2xf32>, %p: tensor<3xi32>) {
  // expected-error@+1 {{has 2 queries but 3 positions}}
  %0 = nn.cached_attention %q, %c at %p heads 4 kv_heads 2 scale 0.5 : tensor<2x8xf32>, !nn.kv_cache<2x2xf32>, tensor<3xi32> -> tensor<2x8xf32>
  return
}

// -----

func.func @f(%q: tensor<2x8xf32>, %c: !nn.kv_cache<2x2xf32>, %p: tensor<2xi32>) {
  // expected-error@+1 {{has a window of 4294967297, expected at most 2147483647}}
  %0 = nn.cached_attention %q, %c at %p heads 4 kv_heads 2 scale 0.5 window 4294967297 : tensor<2x8xf32>, !nn.kv_cache<2x2xf32>, tensor<2xi32> -> tensor<2x8xf32>
  return
}

// -----

func.func @f(%q: tensor<2x8xf32>, %c: !nn.kv_cache<2x2xf32>, %p: tensor<2xi32>, %b: tensor<4x8xf32>) {
  // expected-error@+1 {{has a bias of type 'tensor<4x8xf32>', expected [heads, 2 * reach + 1] for 4 heads}}
  %0 = nn.cached_attention %q, %c at %p bias %b : tensor<4x8xf32> heads 4 kv_heads 2 scale 0.5 : tensor<2x8xf32>, !nn.kv_cache<2x2xf32>, tensor<2xi32> -> tensor<2x8xf32>
  return
}

// -----

func.func @f(%q: tensor<2x8xf32>, %c: !nn.kv_cache<2x2xf32>, %p: tensor<2xi32>, %b: tensor<2x9xf32>) {
  // expected-error@+1 {{has a bias of type 'tensor<2x9xf32>', expected [heads, 2 * reach + 1] for 4 heads}}
  %0 = nn.cached_attention %q, %c at %p bias %b : tensor<2x9xf32> heads 4 kv_heads 2 scale 0.5 : tensor<2x8xf32>, !nn.kv_cache<2x2xf32>, tensor<2xi32> -> tensor<2x8xf32>
  return
}
