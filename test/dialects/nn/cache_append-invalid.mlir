// RUN: llmc-opt %s -split-input-file -verify-diagnostics

func.func @f(%c: !nn.kv_cache<2x2xf32>, %k: tensor<3x5xf32>, %v: tensor<3x4xf32>, %p: tensor<3xi32>) {
  // expected-error@+1 {{has keys of width 5, but the cache has 2 heads of 2}}
  %0 = nn.cache_append %c, %k, %v at %p : !nn.kv_cache<2x2xf32>, tensor<3x5xf32>, tensor<3x4xf32>, tensor<3xi32>
  return
}

// -----

func.func @f(%c: !nn.kv_cache<2x2xf32>, %k: tensor<3x4xf32>, %v: tensor<3x5xf32>, %p: tensor<3xi32>) {
  // expected-error@+1 {{has values of width 5, but the cache has 2 heads of 2}}
  %0 = nn.cache_append %c, %k, %v at %p : !nn.kv_cache<2x2xf32>, tensor<3x4xf32>, tensor<3x5xf32>, tensor<3xi32>
  return
}

// -----

func.func @f(%c: !nn.kv_cache<2x2xf32>, %k: tensor<2x4xf32>, %v: tensor<3x4xf32>, %p: tensor<3xi32>) {
  // expected-error@+1 {{has 2 keys but 3 positions}}
  %0 = nn.cache_append %c, %k, %v at %p : !nn.kv_cache<2x2xf32>, tensor<2x4xf32>, tensor<3x4xf32>, tensor<3xi32>
  return
}

// -----

func.func @f(%c: !nn.kv_cache<2x2xf32>, %k: tensor<3x4xf32>, %v: tensor<2x4xf32>, %p: tensor<3xi32>) {
  // expected-error@+1 {{has 2 values but 3 positions}}
  %0 = nn.cache_append %c, %k, %v at %p : !nn.kv_cache<2x2xf32>, tensor<3x4xf32>, tensor<2x4xf32>, tensor<3xi32>
  return
}
