// RUN: llmc-opt %s -split-input-file -verify-diagnostics

func.func @f() {
  // expected-error@+1 {{loads @missing, which is no parameter of the module}}
  %0 = nn.load @missing : tensor<3xf32>
  return
}

// -----

nn.param @w : tensor<3xf32>
func.func @f() {
  // expected-error@+1 {{loads @w as 'tensor<4xf32>', but it is declared as 'tensor<3xf32>'}}
  %0 = nn.load @w : tensor<4xf32>
  return
}
