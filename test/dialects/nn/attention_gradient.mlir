// RUN: llmc-opt %s | llmc-opt | FileCheck %s

func.func @f(%q: tensor<?x8xf32>, %k: tensor<?x4xf32>, %s: tensor<?xi32>) -> (tensor<?x8xf32>, tensor<?x4xf32>, tensor<?x4xf32>) {
// CHECK: nn.attention_gradient %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} segments %{{.*}} : tensor<?xi32> heads 2 kv_heads 1 scale 5.000000e-01 causal window 3
  %0:3 = nn.attention_gradient %q, %k, %k, %q segments %s : tensor<?xi32> heads 2 kv_heads 1 scale 0.5 causal window 3
    : tensor<?x8xf32>, tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x8xf32>
  return %0#0, %0#1, %0#2 : tensor<?x8xf32>, tensor<?x4xf32>, tensor<?x4xf32>
}

func.func @bias(%q: tensor<?x8xf32>, %k: tensor<?x4xf32>, %s: tensor<?xi32>, %t: tensor<?xi32>, %b: tensor<2x7xf32>) -> tensor<2x7xf32> {
// CHECK: nn.attention_gradient %{{.*}} segments %{{.*}} : tensor<?xi32> key_segments %{{.*}} : tensor<?xi32> bias %{{.*}} : tensor<2x7xf32> by_distance heads 2
  %0:4 = nn.attention_gradient %q, %k, %k, %q segments %s : tensor<?xi32> key_segments %t : tensor<?xi32> bias %b : tensor<2x7xf32> by_distance
    heads 2 kv_heads 1 scale 0.5 : tensor<?x8xf32>, tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x8xf32>
  return %0#3 : tensor<2x7xf32>
}
