// RUN: llmc-opt %s | llmc-opt | FileCheck %s

func.func @f(%q: tensor<?x8xf32>, %c: !nn.kv_cache<2x2xbf16>, %p: tensor<?xi32>) -> tensor<?x8xf32> {
// CHECK: %{{.*}} = nn.cached_attention %{{.*}}, %{{.*}} at %{{.*}} heads 4 kv_heads 2 scale 5.000000e-01 causal window 3 : tensor<?x8xf32>, <2x2xbf16>, tensor<?xi32> -> tensor<?x8xf32>
  %0 = nn.cached_attention %q, %c at %p heads 4 kv_heads 2 scale 5.000000e-01 causal window 3 : tensor<?x8xf32>, !nn.kv_cache<2x2xbf16>, tensor<?xi32> -> tensor<?x8xf32>
// CHECK: %{{.*}} = nn.cached_attention %{{.*}}, %{{.*}} at %{{.*}} heads 4 kv_heads 2 scale 5.000000e-01 softcap 3.000000e+01 : tensor<?x8xf32>, <2x2xbf16>, tensor<?xi32> -> tensor<?x8xf32>
  %1 = nn.cached_attention %0, %c at %p heads 4 kv_heads 2 scale 5.000000e-01 softcap 3.000000e+01 : tensor<?x8xf32>, !nn.kv_cache<2x2xbf16>, tensor<?xi32> -> tensor<?x8xf32>
  return %1 : tensor<?x8xf32>
}
