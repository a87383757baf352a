// RUN: llmc-opt %s -split-input-file -verify-diagnostics

func.func @too_many(%x: tensor<?x6xf32>, %r: tensor<?x4xf32>, %g: tensor<20x6xf32>, %d: tensor<24x5xf32>) {
  // expected-error @+1 {{chooses 5 of 4 experts}}
  %0 = nn.experts %x, %r, %g, %g, %d top_k 5 silu : tensor<?x6xf32>, tensor<?x4xf32>, tensor<20x6xf32>, tensor<20x6xf32>, tensor<24x5xf32> -> tensor<?x6xf32>
  return
}

// -----

func.func @gate(%x: tensor<?x6xf32>, %r: tensor<?x4xf32>, %g: tensor<19x6xf32>, %u: tensor<20x6xf32>, %d: tensor<24x5xf32>) {
  // expected-error @+1 {{has a weight 'gate' of 19x6, expected 20x6 for 4 experts}}
  %0 = nn.experts %x, %r, %g, %u, %d top_k 2 silu : tensor<?x6xf32>, tensor<?x4xf32>, tensor<19x6xf32>, tensor<20x6xf32>, tensor<24x5xf32> -> tensor<?x6xf32>
  return
}

// -----

func.func @down(%x: tensor<?x6xf32>, %r: tensor<?x4xf32>, %g: tensor<20x6xf32>, %d: tensor<23x5xf32>) {
  // expected-error @+1 {{has a weight 'down' of 23x5, expected 24x5 for 4 experts}}
  %0 = nn.experts %x, %r, %g, %g, %d top_k 2 silu : tensor<?x6xf32>, tensor<?x4xf32>, tensor<20x6xf32>, tensor<20x6xf32>, tensor<23x5xf32> -> tensor<?x6xf32>
  return
}

// -----

func.func @rows(%x: tensor<3x6xf32>, %r: tensor<2x4xf32>, %g: tensor<20x6xf32>, %d: tensor<24x5xf32>) {
  // expected-error @+1 {{has 3 input rows but 2 router rows}}
  %0 = nn.experts %x, %r, %g, %g, %d top_k 2 silu : tensor<3x6xf32>, tensor<2x4xf32>, tensor<20x6xf32>, tensor<20x6xf32>, tensor<24x5xf32> -> tensor<3x6xf32>
  return
}

// -----

func.func @unknown(%x: tensor<?x?xf32>, %r: tensor<?x4xf32>, %g: tensor<20x6xf32>, %d: tensor<24x5xf32>) {
  // expected-error @+1 {{needs known numbers of experts and widths}}
  %0 = nn.experts %x, %r, %g, %g, %d top_k 2 silu : tensor<?x?xf32>, tensor<?x4xf32>, tensor<20x6xf32>, tensor<20x6xf32>, tensor<24x5xf32> -> tensor<?x?xf32>
  return
}
