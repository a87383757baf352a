// RUN: llmc-opt %s --nn-differentiate -split-input-file -verify-diagnostics

// expected-error@+1 {{has no function @loss with one block, which nn-differentiate is asked for}}
module {}

// -----

func.func private @f(%x: tensor<8x4xf32>) -> tensor<8x4xf32>
// expected-error@+1 {{has calls, which nn-differentiate expects to be inlined}}
func.func @loss(%x: tensor<8x4xf32>) -> tensor<8x4xf32> {
  %0 = call @f(%x) : (tensor<8x4xf32>) -> tensor<8x4xf32>
  return %0 : tensor<8x4xf32>
}

// -----

// expected-error@+1 {{depends on no parameter that can be trained}}
func.func @loss(%x: tensor<8x4xf32>) -> tensor<8x4xf32> {
  return %x : tensor<8x4xf32>
}

// -----

nn.param @w : tensor<4xf32>
func.func @loss() -> tensor<4xf32> {
  %w = nn.load @w : tensor<4xf32>
  // expected-error@+1 {{'math.exp' op can not be differentiated: it has no rule for gradients}}
  %0 = math.exp %w : tensor<4xf32>
  return %0 : tensor<4xf32>
}
