// RUN: llmc-opt %s -split-input-file -verify-diagnostics

// expected-error@+1 {{needs a static shape, but has type 'tensor<?x5xf32>'}}
nn.param @p : tensor<?x5xf32>

// -----

// expected-error@+1 {{has rows of 48 elements, which is not a multiple of the 32 of a q8_0 block}}
nn.param @p : tensor<2x48x!nn.block<q8_0>>

// -----

// expected-error@+1 {{has rows of 288 elements, which is not a multiple of the 256 of a q6_k block}}
nn.param @p : tensor<2x288x!nn.block<q6_k>>

// -----

// expected-error@+1 {{has blocks without a dimension}}
nn.param @p : tensor<!nn.block<q8_0>>

// -----

nn.param @a : tensor<3xf32>
// expected-error@+1 {{is either computed or read from a tensor, not both}}
nn.param @p : tensor<3xf32> from "a" = {
  %0 = nn.load @a : tensor<3xf32>
  nn.yield %0 : tensor<3xf32>
}

// -----

nn.param @a : tensor<3xf32>
// expected-error@+1 {{has type 'tensor<4xf32>' but its initializer yields 'tensor<3xf32>'}}
nn.param @p : tensor<4xf32> = {
  %0 = nn.load @a : tensor<3xf32>
  nn.yield %0 : tensor<3xf32>
}

// -----

// expected-error@+1 {{needs an initializer that yields one value}}
nn.param @p : tensor<4xf32> = {
  nn.yield
}

// -----

func.func private @g() -> tensor<3xf32>
// expected-error@+1 {{has an initializer with 'func.call', which is not pure}}
nn.param @p : tensor<3xf32> = {
  %0 = func.call @g() : () -> tensor<3xf32>
  nn.yield %0 : tensor<3xf32>
}

// -----

// expected-error@+1 {{attribute 'type' failed to satisfy constraint}}
nn.param @p : tensor<3xi64>

// -----

// expected-error @+1 {{which only activations can have}}
nn.param @w : tensor<2x32x!nn.block<q16_k>>

// -----

// expected-error @+1 {{which no file stores: expected an initializer}}
nn.param @w : tensor<2x32x!nn.block<q4_1, aligned>>
