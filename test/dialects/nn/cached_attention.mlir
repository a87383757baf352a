// RUN: llmc-opt %s | llmc-opt | FileCheck %s

func.func @f(%q: tensor<?x8xf32>, %c: !nn.kv_cache<2x2xbf16>, %p: tensor<?xi32>) -> tensor<?x8xf32> {
// CHECK: %{{.*}} = nn.cached_attention %{{.*}}, %{{.*}} at %{{.*}} heads 4 kv_heads 2 scale 5.000000e-01 causal window 3 : tensor<?x8xf32>, <2x2xbf16>, tensor<?xi32> -> tensor<?x8xf32>
  %0 = nn.cached_attention %q, %c at %p heads 4 kv_heads 2 scale 5.000000e-01 causal window 3 : tensor<?x8xf32>, !nn.kv_cache<2x2xbf16>, tensor<?xi32> -> tensor<?x8xf32>
// CHECK: %{{.*}} = nn.cached_attention %{{.*}}, %{{.*}} at %{{.*}} heads 4 kv_heads 2 scale 5.000000e-01 softcap 3.000000e+01 : tensor<?x8xf32>, <2x2xbf16>, tensor<?xi32> -> tensor<?x8xf32>
  %1 = nn.cached_attention %0, %c at %p heads 4 kv_heads 2 scale 5.000000e-01 softcap 3.000000e+01 : tensor<?x8xf32>, !nn.kv_cache<2x2xbf16>, tensor<?xi32> -> tensor<?x8xf32>
  return %1 : tensor<?x8xf32>
}

func.func @bias(%q: tensor<?x8xf32>, %c: !nn.kv_cache<2x2xf32>, %p: tensor<?xi32>, %b: tensor<4x9xf32>) -> tensor<?x8xf32> {
// CHECK: %{{.*}} = nn.cached_attention %{{.*}}, %{{.*}} at %{{.*}} bias %{{.*}} : tensor<4x9xf32> heads 4 kv_heads 2 scale 1.000000e+00 causal : tensor<?x8xf32>, <2x2xf32>, tensor<?xi32> -> tensor<?x8xf32>
  %0 = nn.cached_attention %q, %c at %p bias %b : tensor<4x9xf32> heads 4 kv_heads 2 scale 1.0 causal : tensor<?x8xf32>, !nn.kv_cache<2x2xf32>, tensor<?xi32> -> tensor<?x8xf32>
  return %0 : tensor<?x8xf32>
}
