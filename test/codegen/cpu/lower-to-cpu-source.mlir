// RUN: llmc-opt %s --lower-to-cpu="target-cpu=x86-64-v3 max-rows=4 context=24" | FileCheck %s

// A function that returns caches only reads a source: it becomes a step of as many rows as there are positions, and the other steps find what
// it has put into the caches where it did, before their own.

// CHECK: module attributes {
// CHECK-SAME: llmc.cache_bytes = 6144 : i64
// CHECK-SAME: llmc.cache_runs = array<i64: 0, 2, 768, 1536, 2, 768, 3072, 2, 768, 4608, 2, 768>
// CHECK-SAME: llmc.source_cache_bytes = 3072 : i64

nn.param @table : tensor<37x16xf32>

// CHECK-LABEL: func.func private @cross_source
// CHECK: func.func @source(
// CHECK-SAME: llmc.max_rows = 24 : i64, llmc.output_width = 16 : i64, llmc.reads_source, llmc.step = "source"
// CHECK-DAG: %[[SK:.+]] = arith.constant 0 : index
// CHECK-DAG: %[[SV:.+]] = arith.constant 1536 : index
// CHECK: memref.view %{{.+}}[%[[SK]]]
// CHECK: memref.view %{{.+}}[%[[SV]]]
func.func private @cross(%x: tensor<?x16xf32>, %positions: tensor<?xi32>, %cache: !nn.kv_cache<2x8xf32>) -> !nn.kv_cache<2x8xf32> {
  %c = nn.cache_append %cache, %x, %x at %positions : !nn.kv_cache<2x8xf32>, tensor<?x16xf32>, tensor<?x16xf32>, tensor<?xi32>
  return %c : !nn.kv_cache<2x8xf32>
}
func.func @encode(%tokens: tensor<?xi32> {nn.input = "tokens"}, %positions: tensor<?xi32> {nn.input = "positions"},
                  %cache: !nn.kv_cache<2x8xf32> {nn.input = "source_cache"}) -> !nn.kv_cache<2x8xf32> {
  %table = nn.load @table : tensor<37x16xf32>
  %x = nn.embedding %tokens, %table : tensor<?xi32>, tensor<37x16xf32> -> tensor<?x16xf32>
  %c = call @cross(%x, %positions, %cache) : (tensor<?x16xf32>, tensor<?xi32>, !nn.kv_cache<2x8xf32>) -> !nn.kv_cache<2x8xf32>
  return %c : !nn.kv_cache<2x8xf32>
}

// CHECK: func.func @prefill(
// CHECK-SAME: llmc.max_rows = 4 : i64
// CHECK-NOT: llmc.reads_source
// CHECK: func.func @decode(
// CHECK-SAME: llmc.max_rows = 1 : i64
func.func private @layer(%x: tensor<?x16xf32>, %positions: tensor<?xi32>, %ends: tensor<?xi32>, %source: !nn.kv_cache<2x8xf32>,
                         %cache: !nn.kv_cache<2x8xf32>) -> (tensor<?x16xf32>, !nn.kv_cache<2x8xf32>) {
  %c = nn.cache_append %cache, %x, %x at %positions : !nn.kv_cache<2x8xf32>, tensor<?x16xf32>, tensor<?x16xf32>, tensor<?xi32>
  %y = nn.cached_attention %x, %c at %positions heads 2 kv_heads 2 scale 1.0 causal : tensor<?x16xf32>, !nn.kv_cache<2x8xf32>, tensor<?xi32> -> tensor<?x16xf32>
  %z = nn.cached_attention %y, %source at %ends heads 2 kv_heads 2 scale 1.0 causal : tensor<?x16xf32>, !nn.kv_cache<2x8xf32>, tensor<?xi32> -> tensor<?x16xf32>
  return %z, %c : tensor<?x16xf32>, !nn.kv_cache<2x8xf32>
}
func.func @forward(%tokens: tensor<?xi32> {nn.input = "tokens"}, %positions: tensor<?xi32> {nn.input = "positions"},
                   %ends: tensor<?xi32> {nn.input = "source_ends"}, %source: !nn.kv_cache<2x8xf32> {nn.input = "source_cache"},
                   %cache: !nn.kv_cache<2x8xf32> {nn.input = "cache"}) -> (tensor<?x16xf32>, !nn.kv_cache<2x8xf32>) {
  %table = nn.load @table : tensor<37x16xf32>
  %x = nn.embedding %tokens, %table : tensor<?xi32>, tensor<37x16xf32> -> tensor<?x16xf32>
  %y:2 = call @layer(%x, %positions, %ends, %source, %cache)
    : (tensor<?x16xf32>, tensor<?xi32>, tensor<?xi32>, !nn.kv_cache<2x8xf32>, !nn.kv_cache<2x8xf32>) -> (tensor<?x16xf32>, !nn.kv_cache<2x8xf32>)
  return %y#0, %y#1 : tensor<?x16xf32>, !nn.kv_cache<2x8xf32>
}
