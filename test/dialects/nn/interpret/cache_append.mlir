// RUN: llmc-opt %s --nn-check-expected="tolerance=2e-6" -o /dev/null
// Written by make_tests.py.

func.func @replace_f32() -> (tensor<1x3xf32>) {
  %k0 = arith.constant dense<[[0.222769916, -0.847626448, -0.528069794]]> : tensor<1x3xf32>
  %v0 = arith.constant dense<[[0.124289021, 0.69217819, 0.15540415]]> : tensor<1x3xf32>
  %k1 = arith.constant dense<[[1.40471232, -0.315217167, 1.59207225]]> : tensor<1x3xf32>
  %v1 = arith.constant dense<[[-0.629146338, 0.253429949, -0.73281759]]> : tensor<1x3xf32>
  %p = arith.constant dense<[0]> : tensor<1xi32>
  %q = arith.constant dense<[[0.163681448, -0.458544552, -0.228574395]]> : tensor<1x3xf32>
  %c0 = nn.empty_cache : !nn.kv_cache<1x3xf32>
  %c1 = nn.cache_append %c0, %k0, %v0 at %p : !nn.kv_cache<1x3xf32>, tensor<1x3xf32>, tensor<1x3xf32>, tensor<1xi32>
  %c2 = nn.cache_append %c1, %k1, %v1 at %p : !nn.kv_cache<1x3xf32>, tensor<1x3xf32>, tensor<1x3xf32>, tensor<1xi32>
  %r0 = nn.cached_attention %q, %c2 at %p heads 1 kv_heads 1 scale 1.0 causal : tensor<1x3xf32>, !nn.kv_cache<1x3xf32>, tensor<1xi32> -> tensor<1x3xf32>
  return %r0 : tensor<1x3xf32>
}
func.func @replace_f32.expected() -> (tensor<1x3xf32>) {
  %r0 = arith.constant dense<[[-0.629146338, 0.253429949, -0.73281759]]> : tensor<1x3xf32>
  return %r0 : tensor<1x3xf32>
}

func.func @replace_bf16() -> (tensor<1x3xf32>) {
  %k0 = arith.constant dense<[[0.222769916, -0.847626448, -0.528069794]]> : tensor<1x3xf32>
  %v0 = arith.constant dense<[[0.124289021, 0.69217819, 0.15540415]]> : tensor<1x3xf32>
  %k1 = arith.constant dense<[[1.40471232, -0.315217167, 1.59207225]]> : tensor<1x3xf32>
  %v1 = arith.constant dense<[[-0.629146338, 0.253429949, -0.73281759]]> : tensor<1x3xf32>
  %p = arith.constant dense<[0]> : tensor<1xi32>
  %q = arith.constant dense<[[0.163681448, -0.458544552, -0.228574395]]> : tensor<1x3xf32>
  %c0 = nn.empty_cache : !nn.kv_cache<1x3xbf16>
  %c1 = nn.cache_append %c0, %k0, %v0 at %p : !nn.kv_cache<1x3xbf16>, tensor<1x3xf32>, tensor<1x3xf32>, tensor<1xi32>
  %c2 = nn.cache_append %c1, %k1, %v1 at %p : !nn.kv_cache<1x3xbf16>, tensor<1x3xf32>, tensor<1x3xf32>, tensor<1xi32>
  %r0 = nn.cached_attention %q, %c2 at %p heads 1 kv_heads 1 scale 1.0 causal : tensor<1x3xf32>, !nn.kv_cache<1x3xbf16>, tensor<1xi32> -> tensor<1x3xf32>
  return %r0 : tensor<1x3xf32>
}
func.func @replace_bf16.expected() -> (tensor<1x3xf32>) {
  %r0 = arith.constant dense<[[-0.62890625, 0.25390625, -0.734375]]> : tensor<1x3xf32>
  return %r0 : tensor<1x3xf32>
}

func.func @replace_f16() -> (tensor<1x3xf32>) {
  %k0 = arith.constant dense<[[0.222769916, -0.847626448, -0.528069794]]> : tensor<1x3xf32>
  %v0 = arith.constant dense<[[0.124289021, 0.69217819, 0.15540415]]> : tensor<1x3xf32>
  %k1 = arith.constant dense<[[1.40471232, -0.315217167, 1.59207225]]> : tensor<1x3xf32>
  %v1 = arith.constant dense<[[-0.629146338, 0.253429949, -0.73281759]]> : tensor<1x3xf32>
  %p = arith.constant dense<[0]> : tensor<1xi32>
  %q = arith.constant dense<[[0.163681448, -0.458544552, -0.228574395]]> : tensor<1x3xf32>
  %c0 = nn.empty_cache : !nn.kv_cache<1x3xf16>
  %c1 = nn.cache_append %c0, %k0, %v0 at %p : !nn.kv_cache<1x3xf16>, tensor<1x3xf32>, tensor<1x3xf32>, tensor<1xi32>
  %c2 = nn.cache_append %c1, %k1, %v1 at %p : !nn.kv_cache<1x3xf16>, tensor<1x3xf32>, tensor<1x3xf32>, tensor<1xi32>
  %r0 = nn.cached_attention %q, %c2 at %p heads 1 kv_heads 1 scale 1.0 causal : tensor<1x3xf32>, !nn.kv_cache<1x3xf16>, tensor<1xi32> -> tensor<1x3xf32>
  return %r0 : tensor<1x3xf32>
}
func.func @replace_f16.expected() -> (tensor<1x3xf32>) {
  %r0 = arith.constant dense<[[-0.62890625, 0.253417969, -0.732910156]]> : tensor<1x3xf32>
  return %r0 : tensor<1x3xf32>
}
