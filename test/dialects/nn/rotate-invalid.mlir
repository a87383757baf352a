// RUN: llmc-opt %s -split-input-file -verify-diagnostics

func.func @f(%x: tensor<2x24xf32>, %t: tensor<2x6xf32>) {
  // expected-error@+1 {{has an input of width 24, which is not a multiple of its 5 heads}}
  %0 = nn.rotate %x by %t heads 5 half : tensor<2x24xf32>, tensor<2x6xf32>
  return
}

// -----

func.func @f(%x: tensor<2x24xf32>, %t: tensor<2x5xf32>) {
  // expected-error@+1 {{needs a table of a known and even width}}
  %0 = nn.rotate %x by %t heads 3 half : tensor<2x24xf32>, tensor<2x5xf32>
  return
}

// -----

func.func @f(%x: tensor<2x24xf32>, %t: tensor<2x10xf32>) {
  // expected-error@+1 {{has a table of width 10 for heads of 8}}
  %0 = nn.rotate %x by %t heads 3 half : tensor<2x24xf32>, tensor<2x10xf32>
  return
}

// -----

func.func @f(%x: tensor<2x24xf32>, %t: tensor<3x6xf32>) {
  // expected-error@+1 {{has 2 rows but a table of 3}}
  %0 = nn.rotate %x by %t heads 3 half : tensor<2x24xf32>, tensor<3x6xf32>
  return
}
