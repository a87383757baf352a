// RUN: llmc-opt %s | llmc-opt | FileCheck %s

func.func @f(%q: tensor<?x8xf32>, %k: tensor<?x4xf32>, %v: tensor<?x4xf32>, %s: tensor<?xi32>, %b: tensor<?x?xf32>) -> tensor<?x8xf32> {
// CHECK: %{{.*}} = nn.attention %{{.*}}, %{{.*}}, %{{.*}} heads 4 kv_heads 2 scale 5.000000e-01 : tensor<?x8xf32>, tensor<?x4xf32>, tensor<?x4xf32> -> tensor<?x8xf32>
  %0 = nn.attention %q, %k, %v heads 4 kv_heads 2 scale 5.000000e-01 : tensor<?x8xf32>, tensor<?x4xf32>, tensor<?x4xf32> -> tensor<?x8xf32>
// CHECK: %{{.*}} = nn.attention %{{.*}}, %{{.*}}, %{{.*}} segments %{{.*}} : tensor<?xi32> heads 4 kv_heads 2 scale 5.000000e-01 causal window 3 softcap 5.000000e+01 : tensor<?x8xf32>, tensor<?x4xf32>, tensor<?x4xf32> -> tensor<?x8xf32>
  %1 = nn.attention %0, %k, %v segments %s : tensor<?xi32> heads 4 kv_heads 2 scale 5.000000e-01 causal window 3 softcap 5.000000e+01 : tensor<?x8xf32>, tensor<?x4xf32>, tensor<?x4xf32> -> tensor<?x8xf32>
// CHECK: %{{.*}} = nn.attention %{{.*}}, %{{.*}}, %{{.*}} bias %{{.*}} : tensor<?x?xf32> heads 4 kv_heads 2 scale 5.000000e-01 alibi [1.000000e+00, 5.000000e-01, 2.500000e-01, 1.250000e-01] : tensor<?x8xf32>, tensor<?x4xf32>, tensor<?x4xf32> -> tensor<?x8xf32>
  %2 = nn.attention %1, %k, %v bias %b : tensor<?x?xf32> heads 4 kv_heads 2 scale 5.000000e-01 alibi [1.000000e+00, 5.000000e-01, 2.500000e-01, 1.250000e-01] : tensor<?x8xf32>, tensor<?x4xf32>, tensor<?x4xf32> -> tensor<?x8xf32>
  return %2 : tensor<?x8xf32>
}
