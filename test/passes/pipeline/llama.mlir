// A Llama model of two layers with 5 heads and 1 key head goes from the importer's form to kernels.
// RUN: llmc-opt %s --verify-numerics --nn-inference | FileCheck %s

// Weights that are read together are one parameter.
// CHECK: nn.param @blk.0.attn_q.weight.concat.convert : tensor<448x320x!nn.block<q4_1, aligned>>
// CHECK: nn.param @blk.1.ffn_gate.weight.concat.convert : tensor<896x320x!nn.block<q4_1, aligned>>

// One cache a layer, and one rotary table for both.
// CHECK-LABEL: func.func @forward
// CHECK-SAME:    nn.input = "rows"
// CHECK-SAME:    !nn.kv_cache<1x64xf32> {nn.input = "cache"}
// CHECK-SAME:    !nn.kv_cache<1x64xf32> {nn.input = "cache"}
// CHECK:         %[[TABLE:.+]] = nn.rope_table
// CHECK:         %[[FIRST:.+]]:2 = call @layer.0({{.*}}%[[TABLE]]
// CHECK-NOT:     nn.rope_table
// CHECK:         %[[SECOND:.+]]:2 = call @layer.0(%[[FIRST]]#0{{.*}}%[[TABLE]]
// CHECK:         return %{{.*}}, %[[FIRST]]#1, %[[SECOND]]#1

// A layer is five kernels: up to the cache, attention, its output, gate and up, down.
// CHECK-LABEL: func.func private @layer.0
// CHECK:         nn.fusion
// CHECK-NEXT:      nn.rms_norm
// CHECK-NEXT:      nn.convert
// CHECK-NEXT:      nn.linear
// CHECK-NEXT:      nn.split
// CHECK-NEXT:      nn.rotate
// CHECK-NEXT:      nn.rotate
// CHECK-NEXT:      nn.cache_append
// CHECK-NEXT:      nn.yield
// CHECK:         nn.cached_attention
// CHECK-NEXT:    nn.fusion
// CHECK-NEXT:      nn.convert
// CHECK-NEXT:      nn.linear
// CHECK-NEXT:      arith.addf
// CHECK-NEXT:      nn.yield
// CHECK:         nn.fusion
// CHECK-NEXT:      nn.rms_norm
// CHECK-NEXT:      nn.convert
// CHECK-NEXT:      nn.linear
// CHECK-NEXT:      nn.split
// CHECK-NEXT:      nn.silu
// CHECK-NEXT:      arith.mulf
// CHECK-NEXT:      nn.yield
// CHECK:         nn.fusion
// CHECK-NEXT:      nn.convert
// CHECK-NEXT:      nn.linear
// CHECK-NEXT:      arith.addf
// CHECK-NEXT:      nn.yield
// CHECK-NEXT:    }
// CHECK-NEXT:    return
// CHECK-NOT:   func.func private @layer.1

nn.param @token_embd.weight : tensor<97x320x!nn.block<q4_1>>
nn.param @output_norm.weight : tensor<320xf32>
nn.param @blk.0.attn_norm.weight : tensor<320xf32>
nn.param @blk.0.attn_q.weight : tensor<320x320x!nn.block<q4_1>>
nn.param @blk.0.attn_k.weight : tensor<64x320x!nn.block<q4_1>>
nn.param @blk.0.attn_v.weight : tensor<64x320x!nn.block<q4_1>>
nn.param @blk.0.attn_output.weight : tensor<320x320x!nn.block<q4_1>>
nn.param @blk.0.ffn_norm.weight : tensor<320xf32>
nn.param @blk.0.ffn_gate.weight : tensor<448x320x!nn.block<q4_1>>
nn.param @blk.0.ffn_up.weight : tensor<448x320x!nn.block<q4_1>>
nn.param @blk.0.ffn_down.weight : tensor<320x448x!nn.block<q4_1>>
nn.param @blk.1.attn_norm.weight : tensor<320xf32>
nn.param @blk.1.attn_q.weight : tensor<320x320x!nn.block<q4_1>>
nn.param @blk.1.attn_k.weight : tensor<64x320x!nn.block<q4_1>>
nn.param @blk.1.attn_v.weight : tensor<64x320x!nn.block<q4_1>>
nn.param @blk.1.attn_output.weight : tensor<320x320x!nn.block<q4_1>>
nn.param @blk.1.ffn_norm.weight : tensor<320xf32>
nn.param @blk.1.ffn_gate.weight : tensor<448x320x!nn.block<q4_1>>
nn.param @blk.1.ffn_up.weight : tensor<448x320x!nn.block<q4_1>>
nn.param @blk.1.ffn_down.weight : tensor<320x448x!nn.block<q4_1>>

func.func @forward(%tokens: tensor<?xi32> {nn.input = "tokens"}, %positions: tensor<?xi32> {nn.input = "positions"},
                   %rows: tensor<?xi32> {nn.input = "rows"}) -> tensor<?x97xf32> {
  %table = nn.load @token_embd.weight : tensor<97x320x!nn.block<q4_1>>
  %x0 = nn.embedding %tokens, %table : tensor<?xi32>, tensor<97x320x!nn.block<q4_1>> -> tensor<?x320xf32>
  %an0 = nn.load @blk.0.attn_norm.weight : tensor<320xf32>
  %q0 = nn.load @blk.0.attn_q.weight : tensor<320x320x!nn.block<q4_1>>
  %k0 = nn.load @blk.0.attn_k.weight : tensor<64x320x!nn.block<q4_1>>
  %v0 = nn.load @blk.0.attn_v.weight : tensor<64x320x!nn.block<q4_1>>
  %o0 = nn.load @blk.0.attn_output.weight : tensor<320x320x!nn.block<q4_1>>
  %fn0 = nn.load @blk.0.ffn_norm.weight : tensor<320xf32>
  %g0 = nn.load @blk.0.ffn_gate.weight : tensor<448x320x!nn.block<q4_1>>
  %u0 = nn.load @blk.0.ffn_up.weight : tensor<448x320x!nn.block<q4_1>>
  %d0 = nn.load @blk.0.ffn_down.weight : tensor<320x448x!nn.block<q4_1>>
  %x1 = call @layer.0(%x0, %positions, %an0, %q0, %k0, %v0, %o0, %fn0, %g0, %u0, %d0)
    : (tensor<?x320xf32>, tensor<?xi32>, tensor<320xf32>, tensor<320x320x!nn.block<q4_1>>, tensor<64x320x!nn.block<q4_1>>,
       tensor<64x320x!nn.block<q4_1>>, tensor<320x320x!nn.block<q4_1>>, tensor<320xf32>, tensor<448x320x!nn.block<q4_1>>,
       tensor<448x320x!nn.block<q4_1>>, tensor<320x448x!nn.block<q4_1>>) -> tensor<?x320xf32>
  %an1 = nn.load @blk.1.attn_norm.weight : tensor<320xf32>
  %q1 = nn.load @blk.1.attn_q.weight : tensor<320x320x!nn.block<q4_1>>
  %k1 = nn.load @blk.1.attn_k.weight : tensor<64x320x!nn.block<q4_1>>
  %v1 = nn.load @blk.1.attn_v.weight : tensor<64x320x!nn.block<q4_1>>
  %o1 = nn.load @blk.1.attn_output.weight : tensor<320x320x!nn.block<q4_1>>
  %fn1 = nn.load @blk.1.ffn_norm.weight : tensor<320xf32>
  %g1 = nn.load @blk.1.ffn_gate.weight : tensor<448x320x!nn.block<q4_1>>
  %u1 = nn.load @blk.1.ffn_up.weight : tensor<448x320x!nn.block<q4_1>>
  %d1 = nn.load @blk.1.ffn_down.weight : tensor<320x448x!nn.block<q4_1>>
  %x2 = call @layer.1(%x1, %positions, %an1, %q1, %k1, %v1, %o1, %fn1, %g1, %u1, %d1)
    : (tensor<?x320xf32>, tensor<?xi32>, tensor<320xf32>, tensor<320x320x!nn.block<q4_1>>, tensor<64x320x!nn.block<q4_1>>,
       tensor<64x320x!nn.block<q4_1>>, tensor<320x320x!nn.block<q4_1>>, tensor<320xf32>, tensor<448x320x!nn.block<q4_1>>,
       tensor<448x320x!nn.block<q4_1>>, tensor<320x448x!nn.block<q4_1>>) -> tensor<?x320xf32>
  %n = nn.load @output_norm.weight : tensor<320xf32>
  %y = nn.rms_norm %x2, %n epsilon 1.0e-5 : tensor<?x320xf32>, tensor<320xf32>
  %last = nn.select_rows %y, %rows : tensor<?x320xf32>, tensor<?xi32> -> tensor<?x320xf32>
  %logits = nn.linear %last, %table : tensor<?x320xf32>, tensor<97x320x!nn.block<q4_1>> -> tensor<?x97xf32>
  return %logits : tensor<?x97xf32>
}

func.func private @layer.0(%x: tensor<?x320xf32>, %positions: tensor<?xi32>, %attn_norm: tensor<320xf32> {nn.parameter},
    %q: tensor<320x320x!nn.block<q4_1>> {nn.parameter}, %k: tensor<64x320x!nn.block<q4_1>> {nn.parameter},
    %v: tensor<64x320x!nn.block<q4_1>> {nn.parameter}, %o: tensor<320x320x!nn.block<q4_1>> {nn.parameter},
    %ffn_norm: tensor<320xf32> {nn.parameter}, %gate: tensor<448x320x!nn.block<q4_1>> {nn.parameter},
    %up: tensor<448x320x!nn.block<q4_1>> {nn.parameter}, %down: tensor<320x448x!nn.block<q4_1>> {nn.parameter}) -> tensor<?x320xf32> {
  %0 = nn.rms_norm %x, %attn_norm epsilon 1.0e-5 : tensor<?x320xf32>, tensor<320xf32>
  %1 = nn.linear %0, %q : tensor<?x320xf32>, tensor<320x320x!nn.block<q4_1>> -> tensor<?x320xf32>
  %2 = nn.linear %0, %k : tensor<?x320xf32>, tensor<64x320x!nn.block<q4_1>> -> tensor<?x64xf32>
  %3 = nn.linear %0, %v : tensor<?x320xf32>, tensor<64x320x!nn.block<q4_1>> -> tensor<?x64xf32>
  %4 = nn.rope %1 at %positions heads 5 dims 64 theta 1.0e5 half : tensor<?x320xf32>, tensor<?xi32>
  %5 = nn.rope %2 at %positions heads 1 dims 64 theta 1.0e5 half : tensor<?x64xf32>, tensor<?xi32>
  %6 = nn.attention %4, %5, %3 heads 5 kv_heads 1 scale 0.125 causal
         : tensor<?x320xf32>, tensor<?x64xf32>, tensor<?x64xf32> -> tensor<?x320xf32>
  %7 = nn.linear %6, %o : tensor<?x320xf32>, tensor<320x320x!nn.block<q4_1>> -> tensor<?x320xf32>
  %8 = arith.addf %x, %7 : tensor<?x320xf32>
  %9 = nn.rms_norm %8, %ffn_norm epsilon 1.0e-5 : tensor<?x320xf32>, tensor<320xf32>
  %10 = nn.linear %9, %gate : tensor<?x320xf32>, tensor<448x320x!nn.block<q4_1>> -> tensor<?x448xf32>
  %11 = nn.linear %9, %up : tensor<?x320xf32>, tensor<448x320x!nn.block<q4_1>> -> tensor<?x448xf32>
  %12 = nn.silu %10 : tensor<?x448xf32>
  %13 = arith.mulf %12, %11 : tensor<?x448xf32>
  %14 = nn.linear %13, %down : tensor<?x448xf32>, tensor<320x448x!nn.block<q4_1>> -> tensor<?x320xf32>
  %15 = arith.addf %8, %14 : tensor<?x320xf32>
  return %15 : tensor<?x320xf32>
}

func.func private @layer.1(%x: tensor<?x320xf32>, %positions: tensor<?xi32>, %attn_norm: tensor<320xf32> {nn.parameter},
    %q: tensor<320x320x!nn.block<q4_1>> {nn.parameter}, %k: tensor<64x320x!nn.block<q4_1>> {nn.parameter},
    %v: tensor<64x320x!nn.block<q4_1>> {nn.parameter}, %o: tensor<320x320x!nn.block<q4_1>> {nn.parameter},
    %ffn_norm: tensor<320xf32> {nn.parameter}, %gate: tensor<448x320x!nn.block<q4_1>> {nn.parameter},
    %up: tensor<448x320x!nn.block<q4_1>> {nn.parameter}, %down: tensor<320x448x!nn.block<q4_1>> {nn.parameter}) -> tensor<?x320xf32> {
  %0 = nn.rms_norm %x, %attn_norm epsilon 1.0e-5 : tensor<?x320xf32>, tensor<320xf32>
  %1 = nn.linear %0, %q : tensor<?x320xf32>, tensor<320x320x!nn.block<q4_1>> -> tensor<?x320xf32>
  %2 = nn.linear %0, %k : tensor<?x320xf32>, tensor<64x320x!nn.block<q4_1>> -> tensor<?x64xf32>
  %3 = nn.linear %0, %v : tensor<?x320xf32>, tensor<64x320x!nn.block<q4_1>> -> tensor<?x64xf32>
  %4 = nn.rope %1 at %positions heads 5 dims 64 theta 1.0e5 half : tensor<?x320xf32>, tensor<?xi32>
  %5 = nn.rope %2 at %positions heads 1 dims 64 theta 1.0e5 half : tensor<?x64xf32>, tensor<?xi32>
  %6 = nn.attention %4, %5, %3 heads 5 kv_heads 1 scale 0.125 causal
         : tensor<?x320xf32>, tensor<?x64xf32>, tensor<?x64xf32> -> tensor<?x320xf32>
  %7 = nn.linear %6, %o : tensor<?x320xf32>, tensor<320x320x!nn.block<q4_1>> -> tensor<?x320xf32>
  %8 = arith.addf %x, %7 : tensor<?x320xf32>
  %9 = nn.rms_norm %8, %ffn_norm epsilon 1.0e-5 : tensor<?x320xf32>, tensor<320xf32>
  %10 = nn.linear %9, %gate : tensor<?x320xf32>, tensor<448x320x!nn.block<q4_1>> -> tensor<?x448xf32>
  %11 = nn.linear %9, %up : tensor<?x320xf32>, tensor<448x320x!nn.block<q4_1>> -> tensor<?x448xf32>
  %12 = nn.silu %10 : tensor<?x448xf32>
  %13 = arith.mulf %12, %11 : tensor<?x448xf32>
  %14 = nn.linear %13, %down : tensor<?x448xf32>, tensor<320x448x!nn.block<q4_1>> -> tensor<?x320xf32>
  %15 = arith.addf %8, %14 : tensor<?x320xf32>
  return %15 : tensor<?x320xf32>
}
