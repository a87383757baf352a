// RUN: llmc-opt %s -split-input-file -verify-diagnostics

func.func @f(%q: tensor<3x8xf32>, %k: tensor<3x4xf32>, %g: tensor<3x6xf32>) {
  // expected-error@+1 {{has a gradient of type 'tensor<3x6xf32>', which no attention of its operands gives}}
  %0:3 = nn.attention_gradient %q, %k, %k, %g heads 2 kv_heads 1 scale 0.5
    : tensor<3x8xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x6xf32>
  return
}
