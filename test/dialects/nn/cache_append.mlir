// RUN: llmc-opt %s | llmc-opt | FileCheck %s

func.func @f(%c: !nn.kv_cache<2x2xf32>, %k: tensor<?x4xf32>, %p: tensor<?xi32>) -> !nn.kv_cache<2x2xf32> {
// CHECK: %{{.*}} = nn.cache_append %{{.*}}, %{{.*}}, %{{.*}} at %{{.*}} : <2x2xf32>, tensor<?x4xf32>, tensor<?x4xf32>, tensor<?xi32>
  %0 = nn.cache_append %c, %k, %k at %p : !nn.kv_cache<2x2xf32>, tensor<?x4xf32>, tensor<?x4xf32>, tensor<?xi32>
  return %0 : !nn.kv_cache<2x2xf32>
}
