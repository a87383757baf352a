// RUN: llmc-opt %s --nn-fuse --lower-to-cpu="target-cpu=x86-64-v3 max-rows=4 context=24" | FileCheck %s

// Rows of a step of many may be of several sequences: what stores to caches or reads them moves on to the cache of the row's sequence.
// Rows that share a tile of attention are of one sequence, or come one by one. A step of one row has one cache.

nn.param @table : tensor<37x16xf32>
nn.param @qkv : tensor<48x16xf32>

// CHECK-LABEL: func.func private @layer_prefill(
// CHECK-SAME:    %[[OFFSETS:[a-z0-9]+]]: memref<4xi64>
// CHECK:         func.call @product_prefill({{.*}}%[[OFFSETS]]
// CHECK:         func.call @attention_prefill({{.*}}%[[OFFSETS]]
// CHECK-LABEL: func.func @prefill(
// CHECK-SAME:    %[[STEP_OFFSETS:[a-z0-9]+]]: memref<4xi64>, %{{[a-z0-9]+}}: memref<4x16xf32>) attributes
// CHECK:         call @layer_prefill({{.*}}, %[[STEP_OFFSETS]],
// CHECK-LABEL: func.func private @attention_prefill(
// CHECK-SAME:    %[[KEYS:[a-z0-9]+]]: memref<2x2x8x16xf32>, {{.*}}: memref<4xi32>, %[[OF:[a-z0-9]+]]: memref<4xi64>
// CHECK:         %[[FIRST:.+]] = memref.load %[[OF]][%[[ROW:.+]]]
// CHECK:         %[[LAST:.+]] = memref.load %[[OF]]
// CHECK:         %[[IS_SHARED:.+]] = arith.cmpi eq, %[[FIRST]], %[[LAST]]
// CHECK:         scf.if %[[IS_SHARED]]
// CHECK:           %[[BYTES:.+]] = memref.load %[[OF]][%[[ROW]]]
// CHECK:           %[[INDEX:.+]] = arith.index_cast %[[BYTES]]
// CHECK:           %[[ELEMENTS:.+]] = arith.divui %[[INDEX]]
// CHECK:           memref.reinterpret_cast %[[KEYS]] to offset: [%[[ELEMENTS]]]
// CHECK:         } else {
// CHECK-LABEL: func.func private @attention_decode(
// CHECK-NOT:     memref.reinterpret_cast
func.func private @layer(%x: tensor<?x16xf32>, %positions: tensor<?xi32>, %cache: !nn.kv_cache<2x8xf32>,
                         %w: tensor<48x16xf32> {nn.parameter}) -> (tensor<?x16xf32>, !nn.kv_cache<2x8xf32>) {
  %qkv = nn.linear %x, %w : tensor<?x16xf32>, tensor<48x16xf32> -> tensor<?x48xf32>
  %q, %k, %v = nn.split %qkv : tensor<?x48xf32> -> tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>
  %c = nn.cache_append %cache, %k, %v at %positions : !nn.kv_cache<2x8xf32>, tensor<?x16xf32>, tensor<?x16xf32>, tensor<?xi32>
  %y = nn.cached_attention %q, %c at %positions heads 2 kv_heads 2 scale 1.0 causal : tensor<?x16xf32>, !nn.kv_cache<2x8xf32>, tensor<?xi32> -> tensor<?x16xf32>
  return %y, %c : tensor<?x16xf32>, !nn.kv_cache<2x8xf32>
}
func.func @forward(%tokens: tensor<?xi32> {nn.input = "tokens"}, %positions: tensor<?xi32> {nn.input = "positions"},
                   %cache: !nn.kv_cache<2x8xf32> {nn.input = "cache"}) -> (tensor<?x16xf32>, !nn.kv_cache<2x8xf32>) {
  %table = nn.load @table : tensor<37x16xf32>
  %x = nn.embedding %tokens, %table : tensor<?xi32>, tensor<37x16xf32> -> tensor<?x16xf32>
  %w = nn.load @qkv : tensor<48x16xf32>
  %y:2 = call @layer(%x, %positions, %cache, %w)
    : (tensor<?x16xf32>, tensor<?xi32>, !nn.kv_cache<2x8xf32>, tensor<48x16xf32>) -> (tensor<?x16xf32>, !nn.kv_cache<2x8xf32>)
  return %y#0, %y#1 : tensor<?x16xf32>, !nn.kv_cache<2x8xf32>
}
