// RUN: llmc-opt %s --verify-numerics --nn-fuse | FileCheck %s
// Another run finds nothing to do.
// RUN: llmc-opt %s --nn-fuse -o %t
// RUN: llmc-opt %t --nn-fuse | diff %t -

// The norm comes with the product if nothing else reads it.
// CHECK-LABEL: func.func @prologue
// CHECK:         %[[Y:.+]] = nn.fusion(%[[A:.+]] = %{{.+}}, %[[G:.+]] = %{{.+}}, %[[W:.+]] = %{{.+}})
// CHECK-NEXT:      %[[N:.+]] = nn.rms_norm %[[A]], %[[G]]
// CHECK-NEXT:      %[[P:.+]] = nn.linear %[[N]], %[[W]]
// CHECK-NEXT:      nn.yield %[[P]]
// CHECK-NEXT:    }
// CHECK-NEXT:    return %[[Y]]
func.func @prologue(%x: tensor<?x64xf32>, %g: tensor<64xf32>, %w: tensor<32x64xf32>) -> tensor<?x32xf32> {
  %n = nn.rms_norm %x, %g epsilon 1.0e-5 : tensor<?x64xf32>, tensor<64xf32>
  %y = nn.linear %n, %w : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  return %y : tensor<?x32xf32>
}

// CHECK-LABEL: func.func @shared_norm
// CHECK-NEXT:    nn.layer_norm
// CHECK-NEXT:    nn.fusion
// CHECK-NEXT:      nn.linear
// CHECK-NEXT:      arith.addf
// CHECK-NEXT:      nn.yield
func.func @shared_norm(%x: tensor<?x64xf32>, %g: tensor<64xf32>, %w: tensor<64x64xf32>) -> tensor<?x64xf32> {
  %n = nn.layer_norm %x, %g epsilon 1.0e-5 : tensor<?x64xf32>, tensor<64xf32>
  %y = nn.linear %n, %w : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
  %r = arith.addf %n, %y : tensor<?x64xf32>
  return %r : tensor<?x64xf32>
}

// What could follow two products follows the later one.
// CHECK-LABEL: func.func @gated
// CHECK:         %[[SILU:.+]] = nn.fusion
// CHECK-NEXT:      nn.linear
// CHECK-NEXT:      nn.silu
// CHECK-NEXT:      nn.yield
// CHECK:         nn.fusion({{.*}} = %[[SILU]]
// CHECK-NEXT:      nn.linear
// CHECK-NEXT:      arith.mulf
// CHECK-NEXT:      nn.yield
func.func @gated(%x: tensor<?x64xf32>, %g: tensor<96x64xf32>, %u: tensor<96x64xf32>) -> tensor<?x96xf32> {
  %gate = nn.linear %x, %g : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  %silu = nn.silu %gate : tensor<?x96xf32>
  %up = nn.linear %x, %u : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  %y = arith.mulf %silu, %up : tensor<?x96xf32>
  return %y : tensor<?x96xf32>
}

// A residual that depends on the product by another way would make a cycle.
// CHECK-LABEL: func.func @no_cycle
// CHECK:         %[[P:.+]] = nn.linear
// CHECK-NEXT:    %[[S:.+]] = nn.select_rows %[[P]]
// CHECK-NEXT:    arith.addf %[[P]], %[[S]]
func.func @no_cycle(%x: tensor<?x64xf32>, %w: tensor<64x64xf32>, %rows: tensor<?xi32>) -> tensor<?x64xf32> {
  %y = nn.linear %x, %w : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
  %s = nn.select_rows %y, %rows : tensor<?x64xf32>, tensor<?xi32> -> tensor<?x64xf32>
  %r = arith.addf %y, %s : tensor<?x64xf32>
  return %r : tensor<?x64xf32>
}

// An operand that is defined after the product is no obstacle; what reads the kernel early moves behind it.
// CHECK-LABEL: func.func @late_operand
// CHECK:         %[[E:.+]] = nn.embedding
// CHECK:         %[[Y:.+]]:2 = nn.fusion({{.*}} = %[[E]])
// CHECK-NEXT:      nn.linear
// CHECK-NEXT:      arith.addf
// CHECK:         nn.select_rows %[[Y]]#0
func.func @late_operand(%x: tensor<?x64xf32>, %w: tensor<64x64xf32>, %ids: tensor<?xi32>) -> (tensor<?x64xf32>, tensor<?x64xf32>) {
  %y = nn.linear %x, %w : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
  %s = nn.select_rows %y, %ids : tensor<?x64xf32>, tensor<?xi32> -> tensor<?x64xf32>
  %e = nn.embedding %ids, %w : tensor<?xi32>, tensor<64x64xf32> -> tensor<?x64xf32>
  %r = arith.addf %y, %e : tensor<?x64xf32>
  return %s, %r : tensor<?x64xf32>, tensor<?x64xf32>
}

// Attention is a kernel of its own, and what it reads leaves the product's kernel.
// CHECK-LABEL: func.func @attention
// CHECK:         %[[QC:.+]]:2 = nn.fusion
// CHECK:           nn.cache_append
// CHECK-NEXT:      nn.yield
// CHECK:         %[[Y:.+]] = nn.cached_attention %[[QC]]#0, %[[QC]]#1
// CHECK-NEXT:    nn.relu %[[Y]]
func.func @attention(%x: tensor<?x64xf32>, %w: tensor<96x64xf32>, %cache: !nn.kv_cache<1x16xf32>, %positions: tensor<?xi32>)
    -> (tensor<?x64xf32>, !nn.kv_cache<1x16xf32>) {
  %qkv = nn.linear %x, %w : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  %q, %k, %v = nn.split %qkv : tensor<?x96xf32> -> tensor<?x64xf32>, tensor<?x16xf32>, tensor<?x16xf32>
  %c = nn.cache_append %cache, %k, %v at %positions : !nn.kv_cache<1x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>, tensor<?xi32>
  %y = nn.cached_attention %q, %c at %positions heads 4 kv_heads 1 scale 0.25 causal
         : tensor<?x64xf32>, !nn.kv_cache<1x16xf32>, tensor<?xi32> -> tensor<?x64xf32>
  %r = nn.relu %y : tensor<?x64xf32>
  return %r, %c : tensor<?x64xf32>, !nn.kv_cache<1x16xf32>
}
