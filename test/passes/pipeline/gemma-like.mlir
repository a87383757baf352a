// What Gemma and Qwen3 add: norms of heads, norms after sublayers, scaled embeddings, soft caps, windows. One layer, inline.
// RUN: llmc-opt %s --nn-inference | FileCheck %s

nn.param @table : tensor<97x64xf16>
nn.param @norms : tensor<64xf32>
nn.param @head_norm : tensor<16xf32>
nn.param @q : tensor<64x64xf16>
nn.param @k : tensor<16x64xf16>
nn.param @v : tensor<16x64xf16>
nn.param @o : tensor<64x64xf16>
nn.param @gate : tensor<80x64xf16>
nn.param @up : tensor<80x64xf16>
nn.param @down : tensor<64x80xf16>

// CHECK-LABEL: func.func @forward
// CHECK:         %[[E:.+]] = nn.embedding
// CHECK:         %[[X:.+]] = nn.scale %[[E]]
// Query, key and value are one kernel; the norms of heads come after it, each with its rotation.
// CHECK:         nn.fusion
// CHECK-NEXT:      nn.rms_norm
// CHECK-NEXT:      nn.linear
// CHECK-NEXT:      nn.split
// CHECK-NEXT:      nn.yield
// CHECK:         nn.fusion
// CHECK-NEXT:      nn.rms_norm
// CHECK-NEXT:      nn.rotate
// CHECK-NEXT:      nn.yield
// CHECK:         nn.fusion
// CHECK-NEXT:      nn.rms_norm
// CHECK-NEXT:      nn.rotate
// CHECK-NEXT:      nn.cache_append
// CHECK-NEXT:      nn.yield
// CHECK:         nn.cached_attention {{.*}} causal window 32 softcap 5.000000e+01
// The norm after a sublayer and the residual are one kernel; the next norm goes with the product that reads it.
// CHECK-NEXT:    nn.linear
// CHECK-NEXT:    nn.fusion
// CHECK-NEXT:      nn.rms_norm
// CHECK-NEXT:      arith.addf
// CHECK-NEXT:      nn.yield
// CHECK:         nn.fusion
// CHECK-NEXT:      nn.rms_norm
// CHECK-NEXT:      nn.linear
// CHECK-NEXT:      nn.split
// CHECK-NEXT:      nn.gelu tanh
// CHECK-NEXT:      arith.mulf
// CHECK-NEXT:      nn.yield
// CHECK:         nn.linear
// CHECK-NEXT:    nn.fusion
// CHECK-NEXT:      nn.rms_norm
// CHECK-NEXT:      arith.addf
// CHECK-NEXT:      nn.yield
// CHECK:         nn.select_rows
// CHECK:         nn.fusion
// CHECK-NEXT:      nn.rms_norm
// CHECK-NEXT:      nn.linear
// CHECK-NEXT:      nn.softcap
// CHECK-NEXT:      nn.yield
func.func @forward(%tokens: tensor<?xi32> {nn.input = "tokens"}, %positions: tensor<?xi32> {nn.input = "positions"},
                   %rows: tensor<?xi32> {nn.input = "output_ids"}) -> (tensor<?x97xf32> {nn.output}) {
  %table = nn.load @table : tensor<97x64xf16>
  %norm = nn.load @norms : tensor<64xf32>
  %head_norm = nn.load @head_norm : tensor<16xf32>
  %wq = nn.load @q : tensor<64x64xf16>
  %wk = nn.load @k : tensor<16x64xf16>
  %wv = nn.load @v : tensor<16x64xf16>
  %wo = nn.load @o : tensor<64x64xf16>
  %wg = nn.load @gate : tensor<80x64xf16>
  %wu = nn.load @up : tensor<80x64xf16>
  %wd = nn.load @down : tensor<64x80xf16>
  %e = nn.embedding %tokens, %table : tensor<?xi32>, tensor<97x64xf16> -> tensor<?x64xf32>
  %x = nn.scale %e by 8.0 : tensor<?x64xf32>
  %n = nn.rms_norm %x, %norm epsilon 1.0e-6 : tensor<?x64xf32>, tensor<64xf32>
  %q = nn.linear %n, %wq : tensor<?x64xf32>, tensor<64x64xf16> -> tensor<?x64xf32>
  %k = nn.linear %n, %wk : tensor<?x64xf32>, tensor<16x64xf16> -> tensor<?x16xf32>
  %v = nn.linear %n, %wv : tensor<?x64xf32>, tensor<16x64xf16> -> tensor<?x16xf32>
  %qn = nn.rms_norm %q, %head_norm epsilon 1.0e-6 : tensor<?x64xf32>, tensor<16xf32>
  %kn = nn.rms_norm %k, %head_norm epsilon 1.0e-6 : tensor<?x16xf32>, tensor<16xf32>
  %qr = nn.rope %qn at %positions heads 4 dims 16 theta 1.0e4 half : tensor<?x64xf32>, tensor<?xi32>
  %kr = nn.rope %kn at %positions heads 1 dims 16 theta 1.0e4 half : tensor<?x16xf32>, tensor<?xi32>
  %a = nn.attention %qr, %kr, %v heads 4 kv_heads 1 scale 0.25 causal window 32 softcap 50.0
         : tensor<?x64xf32>, tensor<?x16xf32>, tensor<?x16xf32> -> tensor<?x64xf32>
  %o = nn.linear %a, %wo : tensor<?x64xf32>, tensor<64x64xf16> -> tensor<?x64xf32>
  %on = nn.rms_norm %o, %norm epsilon 1.0e-6 : tensor<?x64xf32>, tensor<64xf32>
  %h = arith.addf %x, %on : tensor<?x64xf32>
  %hn = nn.rms_norm %h, %norm epsilon 1.0e-6 : tensor<?x64xf32>, tensor<64xf32>
  %g = nn.linear %hn, %wg : tensor<?x64xf32>, tensor<80x64xf16> -> tensor<?x80xf32>
  %u = nn.linear %hn, %wu : tensor<?x64xf32>, tensor<80x64xf16> -> tensor<?x80xf32>
  %ga = nn.gelu tanh %g : tensor<?x80xf32>
  %m = arith.mulf %ga, %u : tensor<?x80xf32>
  %d = nn.linear %m, %wd : tensor<?x80xf32>, tensor<64x80xf16> -> tensor<?x64xf32>
  %dn = nn.rms_norm %d, %norm epsilon 1.0e-6 : tensor<?x64xf32>, tensor<64xf32>
  %y = arith.addf %h, %dn : tensor<?x64xf32>
  %last = nn.select_rows %y, %rows : tensor<?x64xf32>, tensor<?xi32> -> tensor<?x64xf32>
  %ln = nn.rms_norm %last, %norm epsilon 1.0e-6 : tensor<?x64xf32>, tensor<64xf32>
  %logits = nn.linear %ln, %table : tensor<?x64xf32>, tensor<97x64xf16> -> tensor<?x97xf32>
  %capped = nn.softcap %logits to 30.0 : tensor<?x97xf32>
  return %capped : tensor<?x97xf32>
}
