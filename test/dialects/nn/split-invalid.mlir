// RUN: llmc-opt %s -split-input-file -verify-diagnostics

func.func @f(%x: tensor<2x9xf32>) {
  // expected-error@+1 {{needs results of known width}}
  %0, %1 = nn.split %x : tensor<2x9xf32> -> tensor<2x?xf32>, tensor<2x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x9xf32>) {
  // expected-error@+1 {{has 2 input rows but 3 result rows}}
  %0, %1 = nn.split %x : tensor<2x9xf32> -> tensor<2x5xf32>, tensor<3x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x9xf32>) {
  // expected-error@+1 {{has results of width 10 in all but an input of width 9}}
  %0, %1 = nn.split %x : tensor<2x9xf32> -> tensor<2x5xf32>, tensor<2x5xf32>
  return
}
