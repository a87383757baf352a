// RUN: llmc-opt "%s" "--load-pass-plugin=%plugin" --pass-pipeline='builtin.module(example-gelu-tanh)' --verify-numerics | FileCheck "%s"

// CHECK-LABEL: func.func @exact
// CHECK:         nn.gelu tanh
// CHECK-NOT:     exact
func.func @exact(%x: tensor<?x7xf32>) -> tensor<?x7xf32> {
  %y = nn.gelu exact %x : tensor<?x7xf32>
  return %y : tensor<?x7xf32>
}

// CHECK-LABEL: func.func @sigmoid
// CHECK:         nn.gelu sigmoid
func.func @sigmoid(%x: tensor<?x7xf32>) -> tensor<?x7xf32> {
  %y = nn.gelu sigmoid %x : tensor<?x7xf32>
  return %y : tensor<?x7xf32>
}
