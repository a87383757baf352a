// Each of these passes is wrong, claims not to be, and is caught by name.
//
// RUN: not llmc-opt %s --load-pass-plugin=%build/lib/Miscompile.so --verify-numerics --pass-pipeline="builtin.module(miscompile-swap-concat)" 2>&1 | FileCheck %s --check-prefix=CONCAT
// CONCAT: error: pass 'miscompile-swap-concat' breaks its bound (exact): in @decoder, result 0: element [0, 0] is {{.*}} before and {{.*}} after (1 row, 3 positions before it, seed 1)
// RUN: not llmc-opt %s --load-pass-plugin=%build/lib/Miscompile.so --verify-numerics --pass-pipeline="builtin.module(miscompile-epsilon)" 2>&1 | FileCheck %s --check-prefix=EPSILON
// EPSILON: error: pass 'miscompile-epsilon' breaks its bound (exact): in @decoder
// RUN: not llmc-opt %s --load-pass-plugin=%build/lib/Miscompile.so --verify-numerics --pass-pipeline="builtin.module(miscompile-drop-bias)" 2>&1 | FileCheck %s --check-prefix=BIAS
// BIAS: error: pass 'miscompile-drop-bias' breaks its bound (exact): in @encoder
// RUN: not llmc-opt %s --load-pass-plugin=%build/lib/Miscompile.so --verify-numerics --pass-pipeline="builtin.module(miscompile-rope-style)" 2>&1 | FileCheck %s --check-prefix=ROPE
// ROPE: error: pass 'miscompile-rope-style' breaks its bound (exact): in @decoder
// One row attends to itself only: it takes five to see the mask.
// RUN: not llmc-opt %s --load-pass-plugin=%build/lib/Miscompile.so --verify-numerics --pass-pipeline="builtin.module(miscompile-drop-causal)" 2>&1 | FileCheck %s --check-prefix=CAUSAL
// CAUSAL: error: pass 'miscompile-drop-causal' breaks its bound (exact): in @decoder, {{.*}} (5 rows, 0 positions before them, seed 2)
// RUN: not llmc-opt %s --load-pass-plugin=%build/lib/Miscompile.so --verify-numerics --pass-pipeline="builtin.module(miscompile-window)" 2>&1 | FileCheck %s --check-prefix=WINDOW
// WINDOW: error: pass 'miscompile-window' breaks its bound (exact): in @windowed, {{.*}} (13 rows
// RUN: not llmc-opt %s --load-pass-plugin=%build/lib/Miscompile.so --verify-numerics --pass-pipeline="builtin.module(miscompile-cached-window)" 2>&1 | FileCheck %s --check-prefix=CACHED
// CACHED: error: pass 'miscompile-cached-window' breaks its bound (exact): in @step, {{.*}} (1 row, 3 positions before it
// RUN: not llmc-opt %s --load-pass-plugin=%build/lib/Miscompile.so --verify-numerics --pass-pipeline="builtin.module(miscompile-heads)" 2>&1 | FileCheck %s --check-prefix=HEADS
// HEADS: error: pass 'miscompile-heads' breaks its bound (exact): in @decoder
// RUN: not llmc-opt %s --load-pass-plugin=%build/lib/Miscompile.so --verify-numerics --pass-pipeline="builtin.module(miscompile-drop-scale)" 2>&1 | FileCheck %s --check-prefix=SCALE
// SCALE: error: pass 'miscompile-drop-scale' breaks its bound (exact): in @decoder
// RUN: not llmc-opt %s --load-pass-plugin=%build/lib/Miscompile.so --verify-numerics --pass-pipeline="builtin.module(miscompile-swap-split)" 2>&1 | FileCheck %s --check-prefix=SPLIT
// SPLIT: error: pass 'miscompile-swap-split' breaks its bound (exact): in @decoder
// RUN: not llmc-opt %s --load-pass-plugin=%build/lib/Miscompile.so --verify-numerics --pass-pipeline="builtin.module(miscompile-silu)" 2>&1 | FileCheck %s --check-prefix=SILU
// SILU: error: pass 'miscompile-silu' breaks its bound (within 0.001 of the largest magnitude): in @decoder
// RUN: not llmc-opt %s --load-pass-plugin=%build/lib/Miscompile.so --verify-numerics --pass-pipeline="builtin.module(miscompile-gelu)" 2>&1 | FileCheck %s --check-prefix=GELU
// GELU: error: pass 'miscompile-gelu' breaks its bound (within 4 ulps): in @encoder
// RUN: not llmc-opt %s --load-pass-plugin=%build/lib/Miscompile.so --verify-numerics --pass-pipeline="builtin.module(miscompile-round)" 2>&1 | FileCheck %s --check-prefix=ROUND
// ROUND: error: pass 'miscompile-round' breaks its bound (within 1e-05 of the largest magnitude): in @
// RUN: not llmc-opt %s --load-pass-plugin=%build/lib/Miscompile.so --verify-numerics --pass-pipeline="builtin.module(miscompile-residual)" 2>&1 | FileCheck %s --check-prefix=RESIDUAL
// RESIDUAL: error: pass 'miscompile-residual' breaks its bound (exact): in @decoder
// RUN: not llmc-opt %s --load-pass-plugin=%build/lib/Miscompile.so --verify-numerics --pass-pipeline="builtin.module(miscompile-difference)" 2>&1 | FileCheck %s --check-prefix=DIFFERENCE
// DIFFERENCE: error: pass 'miscompile-difference' breaks its bound (exact): in @difference
// RUN: not llmc-opt %s --load-pass-plugin=%build/lib/Miscompile.so --verify-numerics --pass-pipeline="builtin.module(miscompile-old-cache)" 2>&1 | FileCheck %s --check-prefix=CACHE
// CACHE: error: pass 'miscompile-old-cache' breaks its bound (exact): in @step
// RUN: not llmc-opt %s --load-pass-plugin=%build/lib/Miscompile.so --verify-numerics --pass-pipeline="builtin.module(miscompile-load)" 2>&1 | FileCheck %s --check-prefix=LOAD
// LOAD: error: pass 'miscompile-load' breaks its bound (exact): in @decoder
// RUN: not llmc-opt %s --load-pass-plugin=%build/lib/Miscompile.so --verify-numerics --pass-pipeline="builtin.module(miscompile-select)" 2>&1 | FileCheck %s --check-prefix=SELECT
// SELECT: error: pass 'miscompile-select' breaks its bound (exact): in @decoder
// RUN: not llmc-opt %s --load-pass-plugin=%build/lib/Miscompile.so --verify-numerics --pass-pipeline="builtin.module(miscompile-origin)" 2>&1 | FileCheck %s --check-prefix=ORIGIN
// ORIGIN: error: pass 'miscompile-origin' breaks its bound (exact): in @
//
// A pass on functions is judged by the whole module.
// RUN: not llmc-opt %s --load-pass-plugin=%build/lib/Miscompile.so --verify-numerics --pass-pipeline="builtin.module(func.func(cse,miscompile-function,canonicalize))" 2>&1 | FileCheck %s --check-prefix=FUNCTION
// FUNCTION: error: pass 'miscompile-function' breaks its bound (exact): in @difference
//
// What fails when it runs, and what takes other arguments than it did.
// RUN: not llmc-opt %s --load-pass-plugin=%build/lib/Miscompile.so --verify-numerics --pass-pipeline="builtin.module(miscompile-table)" 2>&1 | FileCheck %s --check-prefix=TABLE
// TABLE: error: pass 'miscompile-table' breaks its bound (exact): in @decoder, evaluation fails after it: 'nn.embedding' op id 0 is {{.*}}, but there are 1 rows
// RUN: not llmc-opt %s --load-pass-plugin=%build/lib/Miscompile.so --verify-numerics --pass-pipeline="builtin.module(miscompile-argument)" 2>&1 | FileCheck %s --check-prefix=ARGUMENT
// ARGUMENT: error: pass 'miscompile-argument' breaks its bound (exact): @decoder has type {{.*}} before and {{.*}} after
// Caches that a pass adds do not hide what else it does.
// RUN: not llmc-opt %s --load-pass-plugin=%build/lib/Miscompile.so --verify-numerics --pass-pipeline="builtin.module(miscompile-add-cache)" 2>&1 | FileCheck %s --check-prefix=ADD
// ADD: error: pass 'miscompile-add-cache' breaks its bound (changes the interface): in @decoder, {{.*}} (5 rows
// RUN: not llmc-opt %s --load-pass-plugin=%build/lib/Miscompile.so --verify-numerics --pass-pipeline="builtin.module(miscompile-lose-cache)" 2>&1 | FileCheck %s --check-prefix=LOSE
// LOSE: error: pass 'miscompile-lose-cache' breaks its bound (changes the interface): in @decoder, result 0: element {{.*}} (rows 2 to 4 in a second step, seed 2)
// What changes more than that cannot be compared, and is not trusted.
// RUN: not llmc-opt %s --load-pass-plugin=%build/lib/Miscompile.so --verify-numerics --pass-pipeline="builtin.module(miscompile-interface)" 2>&1 | FileCheck %s --check-prefix=INTERFACE
// INTERFACE: error: pass 'miscompile-interface' breaks its bound (changes the interface): @decoder takes or returns other things than before, beside caches at the end, so that its results cannot be compared
//
// The first that departs is the one that is named, and nothing runs after it.
// RUN: not llmc-opt %s --load-pass-plugin=%build/lib/Miscompile.so --verify-numerics --pass-pipeline="builtin.module(canonicalize,right-double,miscompile-epsilon,miscompile-silu,nn-interpret{function=none})" 2>&1 | FileCheck %s --check-prefix=FIRST
// FIRST-NOT: error
// FIRST: error: pass 'miscompile-epsilon'
// FIRST-NOT: error
//
// A pass without a bound is refused.
// RUN: not llmc-opt %s --load-pass-plugin=%build/lib/Miscompile.so --verify-numerics --pass-pipeline="builtin.module(miscompile-unbounded)" 2>&1 | FileCheck %s --check-prefix=UNBOUNDED
// UNBOUNDED: error: pass 'miscompile-unbounded' declares no numeric bound, so it is not run under --verify-numerics
// RUN: llmc-opt %s --load-pass-plugin=%build/lib/Miscompile.so --pass-pipeline="builtin.module(miscompile-unbounded)" -o /dev/null

nn.param @embedding : tensor<13x16xf32>
nn.param @norm : tensor<16xf32>
nn.param @query : tensor<16x16xf32>
nn.param @key : tensor<8x16xf32>
nn.param @value : tensor<8x16xf32>
nn.param @keys_and_values : tensor<16x16xf32> = {
  %k = nn.load @key : tensor<8x16xf32>
  %v = nn.load @value : tensor<8x16xf32>
  %kv = nn.concat %k, %v : tensor<8x16xf32>, tensor<8x16xf32> -> tensor<16x16xf32>
  nn.yield %kv : tensor<16x16xf32>
}
nn.param @bias : tensor<16xf32>

func.func @decoder(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>) -> tensor<?x13xf32> {
  %table = nn.load @embedding : tensor<13x16xf32>
  %norm = nn.load @norm : tensor<16xf32>
  %wq = nn.load @query : tensor<16x16xf32>
  %wkv = nn.load @keys_and_values : tensor<16x16xf32>
  %x = nn.embedding %tokens, %table : tensor<?xi32>, tensor<13x16xf32> -> tensor<?x16xf32>
  %n = nn.rms_norm %x, %norm epsilon 1.0e-5 : tensor<?x16xf32>, tensor<16xf32>
  %q0 = nn.linear %n, %wq : tensor<?x16xf32>, tensor<16x16xf32> -> tensor<?x16xf32>
  %kv = nn.linear %n, %wkv : tensor<?x16xf32>, tensor<16x16xf32> -> tensor<?x16xf32>
  %k0, %v = nn.split %kv : tensor<?x16xf32> -> tensor<?x8xf32>, tensor<?x8xf32>
  %q = nn.rope %q0 at %positions heads 4 dims 4 theta 1.0e4 half : tensor<?x16xf32>, tensor<?xi32>
  %k = nn.rope %k0 at %positions heads 2 dims 4 theta 1.0e4 half : tensor<?x8xf32>, tensor<?xi32>
  %a = nn.attention %q, %k, %v heads 4 kv_heads 2 scale 0.5 causal : tensor<?x16xf32>, tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x16xf32>
  %h = arith.addf %x, %a : tensor<?x16xf32>
  %s = nn.silu %h : tensor<?x16xf32>
  %d = nn.scale %s by 2.0 : tensor<?x16xf32>
  %y = nn.select_rows %d, %rows : tensor<?x16xf32>, tensor<?xi32> -> tensor<?x16xf32>
  %logits = nn.linear %y, %table : tensor<?x16xf32>, tensor<13x16xf32> -> tensor<?x13xf32>
  return %logits : tensor<?x13xf32>
}

func.func @encoder(%x: tensor<?x16xf32>) -> tensor<?x16xf32> {
  %w = nn.load @query : tensor<16x16xf32>
  %b = nn.load @bias : tensor<16xf32>
  %0 = nn.linear %x, %w bias %b : tensor<?x16xf32>, tensor<16x16xf32>, tensor<16xf32> -> tensor<?x16xf32>
  %1 = nn.gelu exact %0 : tensor<?x16xf32>
  return %1 : tensor<?x16xf32>
}

func.func @windowed(%q: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %0 = nn.attention %q, %q, %q heads 2 kv_heads 2 scale 0.5 causal window 11 : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  return %0 : tensor<?x8xf32>
}

func.func @step(%q: tensor<?x8xf32>, %positions: tensor<?xi32>, %cache: !nn.kv_cache<2x4xf32>) -> (tensor<?x8xf32>, !nn.kv_cache<2x4xf32>) {
  %c = nn.cache_append %cache, %q, %q at %positions : !nn.kv_cache<2x4xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>
  %0 = nn.cached_attention %q, %c at %positions heads 2 kv_heads 2 scale 0.5 causal window 100 : tensor<?x8xf32>, !nn.kv_cache<2x4xf32>, tensor<?xi32> -> tensor<?x8xf32>
  return %0, %c : tensor<?x8xf32>, !nn.kv_cache<2x4xf32>
}

func.func @difference(%a: tensor<?x3xf32>, %b: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %0 = arith.subf %a, %b : tensor<?x3xf32>
  return %0 : tensor<?x3xf32>
}
