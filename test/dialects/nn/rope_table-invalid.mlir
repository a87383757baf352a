// RUN: llmc-opt %s -split-input-file -verify-diagnostics

func.func @f(%p: tensor<2xi32>) {
  // expected-error@+1 {{has a result of type 'tensor<2x8xf32>', expected 'tensor<2x6xf32>'}}
  %0 = nn.rope_table %p dims 6 theta 1.0e4 : tensor<2xi32> -> tensor<2x8xf32>
  return
}

// -----

func.func @f(%p: tensor<2xi32>) {
  // expected-error@+1 {{rotates 5 dimensions, expected a positive even number}}
  %0 = nn.rope_table %p dims 5 theta 1.0e4 : tensor<2xi32> -> tensor<2x5xf32>
  return
}

// -----

func.func @f(%p: tensor<2xi32>) {
  // expected-error@+1 {{needs a positive theta}}
  %0 = nn.rope_table %p dims 8 theta -1.0 : tensor<2xi32> -> tensor<2x8xf32>
  return
}

// -----

func.func @f(%p: tensor<2xi32>) {
  // expected-error@+1 {{has a result of type 'tensor<3x8xf32>', expected 'tensor<2x8xf32>'}}
  %0 = nn.rope_table %p dims 8 theta 1.0e4 : tensor<2xi32> -> tensor<3x8xf32>
  return
}

// -----

func.func @f(%p: tensor<2xi32>) {
  // expected-error@+1 {{needs a positive scaling factor}}
  %0 = nn.rope_table %p dims 8 theta 1.0e4 scaling <linear, factor = 0.0 : f64> : tensor<2xi32> -> tensor<2x8xf32>
  return
}
