// RUN: llmc-opt %s --nn-add-kv-cache=element-type=f16 | FileCheck %s
// RUN: not llmc-opt %s --nn-add-kv-cache=element-type=f8 2>&1 | FileCheck %s --check-prefix=ERROR

// CHECK: !nn.kv_cache<2x16xf16>
// ERROR: error: nn-add-kv-cache keeps caches in f32, f16 or bf16, not in 'f8'
func.func @forward(%x: tensor<?x32xf32>, %positions: tensor<?xi32> {nn.input = "positions"}) -> tensor<?x32xf32> {
  %y = nn.attention %x, %x, %x heads 2 kv_heads 2 scale 0.25 causal
         : tensor<?x32xf32>, tensor<?x32xf32>, tensor<?x32xf32> -> tensor<?x32xf32>
  return %y : tensor<?x32xf32>
}

// What does not outlive the step is not rounded.
// CHECK-LABEL: func.func @encode
// CHECK:         nn.empty_cache : <2x16xf32>
func.func @encode(%x: tensor<?x32xf32>, %positions: tensor<?xi32> {nn.input = "positions"}) -> tensor<?x32xf32> {
  %y = nn.attention %x, %x, %x heads 2 kv_heads 2 scale 0.25
         : tensor<?x32xf32>, tensor<?x32xf32>, tensor<?x32xf32> -> tensor<?x32xf32>
  return %y : tensor<?x32xf32>
}
