// RUN: llmc-opt %s | llmc-opt | FileCheck %s

func.func @f() -> !nn.kv_cache<2x2xf32> {
// CHECK: %{{.*}} = nn.empty_cache : <2x2xf32>
  %0 = nn.empty_cache : !nn.kv_cache<2x2xf32>
  return %0 : !nn.kv_cache<2x2xf32>
}
