// RUN: llmc-opt %s --split-input-file --nn-add-kv-cache | FileCheck %s
// Another run finds nothing to do.
// RUN: llmc-opt %s --split-input-file --nn-add-kv-cache -o %t
// RUN: llmc-opt %t --split-input-file --nn-add-kv-cache | diff %t -

// Each call of a causal layer has its own cache.
// CHECK-LABEL: func.func @forward
// CHECK-SAME:    %[[P:[^:]+]]: tensor<?xi32> {nn.input = "positions"}
// CHECK-SAME:    %[[A:[^:]+]]: !nn.kv_cache<1x64xf32> {nn.input = "cache"}, %[[B:[^:]+]]: !nn.kv_cache<1x64xf32> {nn.input = "cache"})
// CHECK-SAME:    -> (tensor<?x320xf32> {nn.output}, !nn.kv_cache<1x64xf32>, !nn.kv_cache<1x64xf32>)
// CHECK:         %[[X:.+]]:2 = call @layer(%{{.+}}, %[[P]], %[[A]])
// CHECK:         %[[Y:.+]]:2 = call @layer(%[[X]]#0, %[[P]], %[[B]])
// CHECK:         return %[[Y]]#0, %[[X]]#1, %[[Y]]#1
func.func @forward(%x: tensor<?x320xf32>, %positions: tensor<?xi32> {nn.input = "positions"}) -> (tensor<?x320xf32> {nn.output}) {
  %0 = call @layer(%x, %positions) : (tensor<?x320xf32>, tensor<?xi32>) -> tensor<?x320xf32>
  %1 = call @layer(%0, %positions) : (tensor<?x320xf32>, tensor<?xi32>) -> tensor<?x320xf32>
  return %1 : tensor<?x320xf32>
}

// CHECK-LABEL: func.func private @layer
// CHECK-SAME:    %[[P:[^:]+]]: tensor<?xi32>, %[[C:[^:]+]]: !nn.kv_cache<1x64xf32>
// CHECK:         %[[KV:.+]]:3 = nn.split
// CHECK:         %[[NEW:.+]] = nn.cache_append %[[C]], %[[KV]]#0, %[[KV]]#1 at %[[P]]
// CHECK:         %[[Y:.+]] = nn.cached_attention %{{.+}}, %[[NEW]] at %[[P]] heads 5 kv_heads 1 scale 1.250000e-01 causal window 100
// CHECK-NOT:     nn.attention
// CHECK:         return %[[Y]], %[[NEW]]
func.func private @layer(%x: tensor<?x320xf32>, %positions: tensor<?xi32>) -> tensor<?x320xf32> {
  %kv:3 = nn.split %x : tensor<?x320xf32> -> tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x192xf32>
  %y = nn.attention %x, %kv#0, %kv#1 heads 5 kv_heads 1 scale 0.125 causal window 100
         : tensor<?x320xf32>, tensor<?x64xf32>, tensor<?x64xf32> -> tensor<?x320xf32>
  return %y : tensor<?x320xf32>
}

// -----

// An encoder keeps nothing beyond the step. Positions are passed down to where they are needed.
// CHECK-LABEL: func.func @forward
// CHECK-NOT:     kv_cache
// CHECK:         call @outer(%{{.+}}, %[[P:.+]]) : (tensor<?x96xf32>, tensor<?xi32>) -> tensor<?x96xf32>
func.func @forward(%x: tensor<?x96xf32>, %positions: tensor<?xi32> {nn.input = "positions"}) -> tensor<?x96xf32> {
  %0 = call @outer(%x) : (tensor<?x96xf32>) -> tensor<?x96xf32>
  return %0 : tensor<?x96xf32>
}

// CHECK-LABEL: func.func private @outer
// CHECK-SAME:    %[[P:[^:]+]]: tensor<?xi32>
// CHECK:         call @layer(%{{.+}}, %[[P]])
func.func private @outer(%x: tensor<?x96xf32>) -> tensor<?x96xf32> {
  %0 = call @layer(%x) : (tensor<?x96xf32>) -> tensor<?x96xf32>
  return %0 : tensor<?x96xf32>
}

// CHECK-LABEL: func.func private @layer
// CHECK-SAME:    %[[P:[^:]+]]: tensor<?xi32>
// CHECK:         %[[C:.+]] = nn.empty_cache : <3x32xf32>
// CHECK:         %[[NEW:.+]] = nn.cache_append %[[C]], %{{.+}}, %{{.+}} at %[[P]]
// CHECK:         nn.cached_attention %{{.+}}, %[[NEW]] at %[[P]] heads 3 kv_heads 3 scale 1.250000e-01 :
func.func private @layer(%x: tensor<?x96xf32>) -> tensor<?x96xf32> {
  %y = nn.attention %x, %x, %x heads 3 kv_heads 3 scale 0.125
         : tensor<?x96xf32>, tensor<?x96xf32>, tensor<?x96xf32> -> tensor<?x96xf32>
  return %y : tensor<?x96xf32>
}

// -----

// A program without positions gets them as an input.
// CHECK-LABEL: func.func @forward
// CHECK-SAME:    %[[P:[^:]+]]: tensor<?xi32> {nn.input = "positions"}, %[[C:[^:]+]]: !nn.kv_cache<2x16xf32> {nn.input = "cache"}
// CHECK:         nn.cache_append %[[C]], %{{.+}}, %{{.+}} at %[[P]]
func.func @forward(%x: tensor<?x32xf32>) -> tensor<?x32xf32> {
  %y = nn.attention %x, %x, %x heads 2 kv_heads 2 scale 0.25 causal alibi [0.5, 0.25]
         : tensor<?x32xf32>, tensor<?x32xf32>, tensor<?x32xf32> -> tensor<?x32xf32>
  return %y : tensor<?x32xf32>
}

// -----

// A bias of relative positions becomes one of distances, up to the largest that tells them apart, in an encoder as in a decoder.
// CHECK-LABEL: func.func private @layer
// CHECK-SAME:    %[[T:[^:]+]]: tensor<4x2xf32>
// CHECK-DAG:     %[[HERE:.+]] = arith.constant dense<0> : tensor<1xi32>
// CHECK-DAG:     %[[AROUND:.+]] = arith.constant dense<[-3, -2, -1, 0, 1, 2, 3]> : tensor<7xi32>
// CHECK:         %[[B:.+]] = nn.relative_position_bias %[[HERE]], %[[AROUND]], %[[T]] max_distance 3
// CHECK-SAME:      -> tensor<2x7xf32>
// CHECK:         nn.cached_attention {{.*}} bias %[[B]] : tensor<2x7xf32> {{.*}} causal
// CHECK:         nn.cached_attention {{.*}} bias %{{.+}} : tensor<2x7xf32> heads 2 kv_heads 2 scale 1.000000e+00 :
// CHECK-NOT:     nn.relative_position_bias
func.func private @layer(%x: tensor<?x32xf32>, %p: tensor<?xi32>, %t: tensor<4x2xf32>) -> tensor<?x32xf32> {
  %b = nn.relative_position_bias %p, %p, %t max_distance 3 : tensor<?xi32>, tensor<?xi32>, tensor<4x2xf32> -> tensor<?x?xf32>
  %y = nn.attention %x, %x, %x bias %b : tensor<?x?xf32> heads 2 kv_heads 2 scale 1.0 causal
         : tensor<?x32xf32>, tensor<?x32xf32>, tensor<?x32xf32> -> tensor<?x32xf32>
  %d = nn.relative_position_bias %p, %p, %t max_distance 3 bidirectional : tensor<?xi32>, tensor<?xi32>, tensor<4x2xf32> -> tensor<?x?xf32>
  %z = nn.attention %y, %y, %y bias %d : tensor<?x?xf32> heads 2 kv_heads 2 scale 1.0
         : tensor<?x32xf32>, tensor<?x32xf32>, tensor<?x32xf32> -> tensor<?x32xf32>
  return %z : tensor<?x32xf32>
}
func.func @forward(%x: tensor<?x32xf32>, %p: tensor<?xi32> {nn.input = "positions"}, %t: tensor<4x2xf32>) -> tensor<?x32xf32> {
  %0 = call @layer(%x, %p, %t) : (tensor<?x32xf32>, tensor<?xi32>, tensor<4x2xf32>) -> tensor<?x32xf32>
  return %0 : tensor<?x32xf32>
}
