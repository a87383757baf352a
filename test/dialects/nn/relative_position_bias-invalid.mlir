// RUN: llmc-opt %s -split-input-file -verify-diagnostics

func.func @buckets(%p: tensor<?xi32>, %t: tensor<3x8xf32>) {
  // expected-error @+1 {{expected [buckets, heads] with a multiple of 2 buckets}}
  %0 = nn.relative_position_bias %p, %p, %t max_distance 128 : tensor<?xi32>, tensor<?xi32>, tensor<3x8xf32> -> tensor<?x?xf32>
  return
}

// -----

func.func @distance(%p: tensor<?xi32>, %t: tensor<32x8xf32>) {
  // expected-error @+1 {{has max_distance 8, expected more than the 8 distances that have a bucket each}}
  %0 = nn.relative_position_bias %p, %p, %t max_distance 8 bidirectional : tensor<?xi32>, tensor<?xi32>, tensor<32x8xf32> -> tensor<?x?xf32>
  return
}

// -----

func.func @rows(%p: tensor<3xi32>, %t: tensor<32x8xf32>) {
  // expected-error @+1 {{has a result of type 'tensor<3x3xf32>', expected 'tensor<24x3xf32>'}}
  %0 = nn.relative_position_bias %p, %p, %t max_distance 128 : tensor<3xi32>, tensor<3xi32>, tensor<32x8xf32> -> tensor<3x3xf32>
  return
}

// -----

func.func @keys(%p: tensor<3xi32>, %t: tensor<32x8xf32>) {
  // expected-error @+1 {{has a result of type 'tensor<24x4xf32>', expected 'tensor<24x3xf32>'}}
  %0 = nn.relative_position_bias %p, %p, %t max_distance 128 : tensor<3xi32>, tensor<3xi32>, tensor<32x8xf32> -> tensor<24x4xf32>
  return
}
