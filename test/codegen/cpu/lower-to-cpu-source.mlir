// RUN: llmc-opt %s --nn-fuse --lower-to-cpu="target-cpu=x86-64-v3 max-rows=4 context=24" | FileCheck %s

// A function that returns caches only reads a source: it becomes a step of as many rows as there are positions, and the other steps find what
// it has put into the caches where it did, before their own.

// CHECK: llmc.cache_bytes = 8192 : i64
// CHECK-SAME: llmc.cache_runs = array<i64: 0, 2, 1024, 2048, 2, 1024, 4096, 2, 1024, 6144, 2, 1024>
// CHECK-SAME: llmc.source_cache_bytes = 4096 : i64

nn.param @table : tensor<37x16xf32>
nn.param @kv : tensor<32x16xf32>
nn.param @qkv : tensor<48x16xf32>

// CHECK-LABEL: func.func @source(
// CHECK-SAME: attributes {llmc.max_rows = 24 : i64, llmc.output_width = 16 : i64, llmc.reads_source, llmc.step = "source"}
// CHECK: memref.view %[[CACHE:.+]][%{{.+}}][] : memref<{{.+}}xi8> to memref<2x2x8x16xf32>
// CHECK: %[[VALUES:.+]] = arith.constant 2048 : index
// CHECK: memref.view %[[CACHE]][%[[VALUES]]][] : memref<{{.+}}xi8> to memref<2x32x8xf32>
func.func private @cross(%x: tensor<?x16xf32>, %positions: tensor<?xi32>, %cache: !nn.kv_cache<2x8xf32>,
                         %w: tensor<32x16xf32> {nn.parameter}) -> !nn.kv_cache<2x8xf32> {
  %kv = nn.linear %x, %w : tensor<?x16xf32>, tensor<32x16xf32> -> tensor<?x32xf32>
  %k, %v = nn.split %kv : tensor<?x32xf32> -> tensor<?x16xf32>, tensor<?x16xf32>
  %c = nn.cache_append %cache, %k, %v at %positions : !nn.kv_cache<2x8xf32>, tensor<?x16xf32>, tensor<?x16xf32>, tensor<?xi32>
  return %c : !nn.kv_cache<2x8xf32>
}
func.func @encode(%tokens: tensor<?xi32> {nn.input = "tokens"}, %positions: tensor<?xi32> {nn.input = "positions"},
                  %cache: !nn.kv_cache<2x8xf32> {nn.input = "source_cache"}) -> !nn.kv_cache<2x8xf32> {
  %table = nn.load @table : tensor<37x16xf32>
  %x = nn.embedding %tokens, %table : tensor<?xi32>, tensor<37x16xf32> -> tensor<?x16xf32>
  %w = nn.load @kv : tensor<32x16xf32>
  %c = call @cross(%x, %positions, %cache, %w) : (tensor<?x16xf32>, tensor<?xi32>, !nn.kv_cache<2x8xf32>, tensor<32x16xf32>) -> !nn.kv_cache<2x8xf32>
  return %c : !nn.kv_cache<2x8xf32>
}

// CHECK-LABEL: func.func @prefill(
// CHECK-SAME: attributes {llmc.max_rows = 4 : i64, llmc.output_width = 16 : i64, llmc.step = "prefill"}
// CHECK: %[[VALUES:.+]] = arith.constant 2048 : index
// CHECK: memref.view %[[CACHE:.+]][%[[VALUES]]][] : memref<{{.+}}xi8> to memref<2x32x8xf32>
// CHECK: %[[OWN:.+]] = arith.constant 4096 : index
// CHECK: memref.view %[[CACHE]][%[[OWN]]][] : memref<{{.+}}xi8> to memref<2x2x8x16xf32>
// CHECK-LABEL: func.func @decode(
// CHECK-SAME: attributes {llmc.max_rows = 1 : i64
func.func private @layer(%x: tensor<?x16xf32>, %positions: tensor<?xi32>, %ends: tensor<?xi32>, %source: !nn.kv_cache<2x8xf32>,
                         %cache: !nn.kv_cache<2x8xf32>, %w: tensor<48x16xf32> {nn.parameter}) -> (tensor<?x16xf32>, !nn.kv_cache<2x8xf32>) {
  %qkv = nn.linear %x, %w : tensor<?x16xf32>, tensor<48x16xf32> -> tensor<?x48xf32>
  %q, %k, %v = nn.split %qkv : tensor<?x48xf32> -> tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>
  %c = nn.cache_append %cache, %k, %v at %positions : !nn.kv_cache<2x8xf32>, tensor<?x16xf32>, tensor<?x16xf32>, tensor<?xi32>
  %y = nn.cached_attention %q, %c at %positions heads 2 kv_heads 2 scale 1.0 causal : tensor<?x16xf32>, !nn.kv_cache<2x8xf32>, tensor<?xi32> -> tensor<?x16xf32>
  %z = nn.cached_attention %q, %source at %ends heads 2 kv_heads 2 scale 1.0 causal : tensor<?x16xf32>, !nn.kv_cache<2x8xf32>, tensor<?xi32> -> tensor<?x16xf32>
  %sum = arith.addf %y, %z : tensor<?x16xf32>
  return %sum, %c : tensor<?x16xf32>, !nn.kv_cache<2x8xf32>
}
func.func @forward(%tokens: tensor<?xi32> {nn.input = "tokens"}, %positions: tensor<?xi32> {nn.input = "positions"},
                   %ends: tensor<?xi32> {nn.input = "source_ends"}, %source: !nn.kv_cache<2x8xf32> {nn.input = "source_cache"},
                   %cache: !nn.kv_cache<2x8xf32> {nn.input = "cache"}) -> (tensor<?x16xf32>, !nn.kv_cache<2x8xf32>) {
  %table = nn.load @table : tensor<37x16xf32>
  %x = nn.embedding %tokens, %table : tensor<?xi32>, tensor<37x16xf32> -> tensor<?x16xf32>
  %w = nn.load @qkv : tensor<48x16xf32>
  %y:2 = call @layer(%x, %positions, %ends, %source, %cache, %w)
    : (tensor<?x16xf32>, tensor<?xi32>, tensor<?xi32>, !nn.kv_cache<2x8xf32>, !nn.kv_cache<2x8xf32>, tensor<48x16xf32>) -> (tensor<?x16xf32>, !nn.kv_cache<2x8xf32>)
  return %y#0, %y#1 : tensor<?x16xf32>, !nn.kv_cache<2x8xf32>
}
