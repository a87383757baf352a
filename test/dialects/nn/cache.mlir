// RUN: llmc-opt %s | llmc-opt | FileCheck %s

func.func @f(%k: tensor<?x4xf32>, %p: tensor<?xi32>) -> !nn.kv_cache<2x2xf32> {
// CHECK: %{{.*}} = nn.empty_cache : <2x2xf32>
  %0 = nn.empty_cache : !nn.kv_cache<2x2xf32>
// CHECK: %{{.*}} = nn.cache_append %{{.*}}, %{{.*}}, %{{.*}} at %{{.*}} : <2x2xf32>, tensor<?x4xf32>, tensor<?x4xf32>, tensor<?xi32>
  %1 = nn.cache_append %0, %k, %k at %p : !nn.kv_cache<2x2xf32>, tensor<?x4xf32>, tensor<?x4xf32>, tensor<?xi32>
  return %1 : !nn.kv_cache<2x2xf32>
}
