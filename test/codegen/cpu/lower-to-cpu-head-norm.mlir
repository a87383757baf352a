// Heads that are normalized by themselves, then rotate: a kernel between the product and attention, whose heads are padded to whole
// vectors, as its weight is.
// RUN: llmc-opt %s --lower-to-cpu="target-cpu=x86-64-v3 context=64 max-rows=8" | FileCheck %s

// CHECK: nn.param @norm.kernel : tensor<16xf32>
// CHECK:   nn.align_heads %{{.+}} lanes 8 segments [1, 10, 10, 0]
// CHECK: nn.param @query.kernel
// CHECK:   nn.align_heads %{{.+}} lanes 8 segments [2, 10, 10, 0]
nn.param @norm : tensor<10xf32>
nn.param @query : tensor<20x12xf32>
nn.param @key : tensor<10x12xf32>
nn.param @table : tensor<37x12xf32>

// CHECK-LABEL: func.func @prefill(
// CHECK:         func.call @product_prefill
// CHECK:         func.call @head_norm_prefill
// CHECK:         func.call @attention_prefill

// CHECK-LABEL: func.func private @head_norm_prefill(
// CHECK:         vector.reduction <add>
// CHECK:         math.sqrt
func.func @forward(%tokens: tensor<?xi32> {nn.input = "tokens"}, %positions: tensor<?xi32> {nn.input = "positions"}) -> tensor<?x20xf32> {
  %embeddings = nn.load @table : tensor<37x12xf32>
  %norm = nn.load @norm : tensor<10xf32>
  %wq = nn.load @query : tensor<20x12xf32>
  %wk = nn.load @key : tensor<10x12xf32>
  %x = nn.embedding %tokens, %embeddings : tensor<?xi32>, tensor<37x12xf32> -> tensor<?x12xf32>
  %angles = nn.rope_table %positions dims 10 theta 1.0e4 : tensor<?xi32> -> tensor<?x10xf32>
  %q = nn.linear %x, %wq : tensor<?x12xf32>, tensor<20x12xf32> -> tensor<?x20xf32>
  %cache = nn.empty_cache : !nn.kv_cache<1x10xf32>
  %keys = nn.fusion(%a = %x, %b = %wk, %c = %cache, %p = %positions) : (tensor<?x12xf32>, tensor<10x12xf32>, !nn.kv_cache<1x10xf32>, tensor<?xi32>) -> !nn.kv_cache<1x10xf32> {
    %0 = nn.linear %a, %b : tensor<?x12xf32>, tensor<10x12xf32> -> tensor<?x10xf32>
    %1 = nn.cache_append %c, %0, %0 at %p : !nn.kv_cache<1x10xf32>, tensor<?x10xf32>, tensor<?x10xf32>, tensor<?xi32>
    nn.yield %1 : !nn.kv_cache<1x10xf32>
  }
  %rotated = nn.fusion(%a = %q, %b = %norm, %c = %angles) : (tensor<?x20xf32>, tensor<10xf32>, tensor<?x10xf32>) -> tensor<?x20xf32> {
    %0 = nn.rms_norm %a, %b epsilon 1.0e-5 : tensor<?x20xf32>, tensor<10xf32>
    %1 = nn.rotate %0 by %c heads 2 half : tensor<?x20xf32>, tensor<?x10xf32>
    nn.yield %1 : tensor<?x20xf32>
  }
  %y = nn.cached_attention %rotated, %keys at %positions heads 2 kv_heads 1 scale 1.0
         : tensor<?x20xf32>, !nn.kv_cache<1x10xf32>, tensor<?xi32> -> tensor<?x20xf32>
  return %y : tensor<?x20xf32>
}
