// A BERT of one layer with 3 heads goes from the importer's form to kernels.
// RUN: llmc-opt %s --verify-numerics --nn-inference | FileCheck %s

// Query, key and value are one product, with their biases.
// CHECK: nn.param @query.concat : tensor<144x48xf32>
// CHECK: nn.param @query_bias.concat : tensor<144xf32>

nn.param @words : tensor<97x48xf32>
nn.param @places : tensor<64x48xf32>
nn.param @kinds : tensor<2x48xf32>
nn.param @embed_norm : tensor<48xf32>
nn.param @embed_norm_bias : tensor<48xf32>
nn.param @query : tensor<48x48xf32>
nn.param @query_bias : tensor<48xf32>
nn.param @key : tensor<48x48xf32>
nn.param @key_bias : tensor<48xf32>
nn.param @value : tensor<48x48xf32>
nn.param @value_bias : tensor<48xf32>
nn.param @output : tensor<48x48xf32>
nn.param @output_bias : tensor<48xf32>
nn.param @up : tensor<80x48xf32>
nn.param @up_bias : tensor<80xf32>
nn.param @down : tensor<48x80xf32>
nn.param @down_bias : tensor<48xf32>
nn.param @norm : tensor<48xf32>
nn.param @norm_bias : tensor<48xf32>

// The sum of the embeddings and its norm are one kernel. Nothing outlives the step.
// CHECK-LABEL: func.func @forward
// CHECK-SAME:    %[[P:[^:]+]]: tensor<?xi32> {nn.input = "positions"}
// CHECK-NOT:     nn.input = "cache"
// CHECK:         nn.fusion
// CHECK-NEXT:      arith.addf
// CHECK-NEXT:      arith.addf
// CHECK-NEXT:      nn.layer_norm
// CHECK-NEXT:      nn.yield
// CHECK:         call @layer_0(%{{.*}}, %[[P]]
func.func @forward(%tokens: tensor<?xi32> {nn.input = "tokens"}, %positions: tensor<?xi32> {nn.input = "positions"},
                   %types: tensor<?xi32> {nn.input = "token_types"}) -> (tensor<?x48xf32> {nn.output}) {
  %words = nn.load @words : tensor<97x48xf32>
  %0 = nn.embedding %tokens, %words : tensor<?xi32>, tensor<97x48xf32> -> tensor<?x48xf32>
  %places = nn.load @places : tensor<64x48xf32>
  %1 = nn.embedding %positions, %places : tensor<?xi32>, tensor<64x48xf32> -> tensor<?x48xf32>
  %kinds = nn.load @kinds : tensor<2x48xf32>
  %2 = nn.embedding %types, %kinds : tensor<?xi32>, tensor<2x48xf32> -> tensor<?x48xf32>
  %3 = arith.addf %0, %2 : tensor<?x48xf32>
  %4 = arith.addf %3, %1 : tensor<?x48xf32>
  %en = nn.load @embed_norm : tensor<48xf32>
  %enb = nn.load @embed_norm_bias : tensor<48xf32>
  %5 = nn.layer_norm %4, %en bias %enb epsilon 1.0e-12 : tensor<?x48xf32>, tensor<48xf32>, tensor<48xf32>
  %q = nn.load @query : tensor<48x48xf32>
  %qb = nn.load @query_bias : tensor<48xf32>
  %k = nn.load @key : tensor<48x48xf32>
  %kb = nn.load @key_bias : tensor<48xf32>
  %v = nn.load @value : tensor<48x48xf32>
  %vb = nn.load @value_bias : tensor<48xf32>
  %o = nn.load @output : tensor<48x48xf32>
  %ob = nn.load @output_bias : tensor<48xf32>
  %u = nn.load @up : tensor<80x48xf32>
  %ub = nn.load @up_bias : tensor<80xf32>
  %d = nn.load @down : tensor<48x80xf32>
  %db = nn.load @down_bias : tensor<48xf32>
  %n = nn.load @norm : tensor<48xf32>
  %nb = nn.load @norm_bias : tensor<48xf32>
  %6 = call @layer_0(%5, %q, %qb, %k, %kb, %v, %vb, %o, %ob, %u, %ub, %d, %db, %n, %nb)
    : (tensor<?x48xf32>, tensor<48x48xf32>, tensor<48xf32>, tensor<48x48xf32>, tensor<48xf32>, tensor<48x48xf32>, tensor<48xf32>,
       tensor<48x48xf32>, tensor<48xf32>, tensor<80x48xf32>, tensor<80xf32>, tensor<48x80xf32>, tensor<48xf32>, tensor<48xf32>,
       tensor<48xf32>) -> tensor<?x48xf32>
  return %6 : tensor<?x48xf32>
}

// CHECK-LABEL: func.func private @layer_0
// CHECK:         nn.empty_cache
// CHECK-NEXT:    nn.fusion
// CHECK-NEXT:      nn.linear
// CHECK-NEXT:      nn.split
// CHECK-NEXT:      nn.cache_append
// CHECK-NEXT:      nn.yield
// CHECK:         nn.cached_attention
// CHECK-NOT:       causal
// CHECK:         nn.fusion
// CHECK-NEXT:      nn.linear
// CHECK-NEXT:      arith.addf
// CHECK-NEXT:      nn.yield
// CHECK-NEXT:    }
// CHECK-NEXT:    nn.layer_norm
// CHECK-NEXT:    nn.fusion
// CHECK-NEXT:      nn.linear
// CHECK-NEXT:      nn.gelu
// CHECK-NEXT:      nn.yield
// CHECK:         nn.fusion
// CHECK-NEXT:      nn.linear
// CHECK-NEXT:      arith.addf
// CHECK-NEXT:      nn.yield
// CHECK-NEXT:    }
// CHECK-NEXT:    nn.layer_norm
// CHECK-NEXT:    return
func.func private @layer_0(%x: tensor<?x48xf32>, %q: tensor<48x48xf32> {nn.parameter}, %qb: tensor<48xf32> {nn.parameter},
    %k: tensor<48x48xf32> {nn.parameter}, %kb: tensor<48xf32> {nn.parameter}, %v: tensor<48x48xf32> {nn.parameter},
    %vb: tensor<48xf32> {nn.parameter}, %o: tensor<48x48xf32> {nn.parameter}, %ob: tensor<48xf32> {nn.parameter},
    %u: tensor<80x48xf32> {nn.parameter}, %ub: tensor<80xf32> {nn.parameter}, %d: tensor<48x80xf32> {nn.parameter},
    %db: tensor<48xf32> {nn.parameter}, %n: tensor<48xf32> {nn.parameter}, %nb: tensor<48xf32> {nn.parameter}) -> tensor<?x48xf32> {
  %0 = nn.linear %x, %q bias %qb : tensor<?x48xf32>, tensor<48x48xf32>, tensor<48xf32> -> tensor<?x48xf32>
  %1 = nn.linear %x, %k bias %kb : tensor<?x48xf32>, tensor<48x48xf32>, tensor<48xf32> -> tensor<?x48xf32>
  %2 = nn.linear %x, %v bias %vb : tensor<?x48xf32>, tensor<48x48xf32>, tensor<48xf32> -> tensor<?x48xf32>
  %3 = nn.attention %0, %1, %2 heads 3 kv_heads 3 scale 0.25
         : tensor<?x48xf32>, tensor<?x48xf32>, tensor<?x48xf32> -> tensor<?x48xf32>
  %4 = nn.linear %3, %o bias %ob : tensor<?x48xf32>, tensor<48x48xf32>, tensor<48xf32> -> tensor<?x48xf32>
  %5 = arith.addf %x, %4 : tensor<?x48xf32>
  %6 = nn.layer_norm %5, %n bias %nb epsilon 1.0e-12 : tensor<?x48xf32>, tensor<48xf32>, tensor<48xf32>
  %7 = nn.linear %6, %u bias %ub : tensor<?x48xf32>, tensor<80x48xf32>, tensor<80xf32> -> tensor<?x80xf32>
  %8 = nn.gelu exact %7 : tensor<?x80xf32>
  %9 = nn.linear %8, %d bias %db : tensor<?x80xf32>, tensor<48x80xf32>, tensor<48xf32> -> tensor<?x48xf32>
  %10 = arith.addf %6, %9 : tensor<?x48xf32>
  %11 = nn.layer_norm %10, %n bias %nb epsilon 1.0e-12 : tensor<?x48xf32>, tensor<48xf32>, tensor<48xf32>
  return %11 : tensor<?x48xf32>
}
