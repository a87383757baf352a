// RUN: llmc-opt %s -split-input-file -verify-diagnostics

func.func @f(%x: tensor<5x9xf32>, %r: tensor<2xi32>) {
  // expected-error@+1 {{has an input of width 9 but a result of width 8}}
  %0 = nn.select_rows %x, %r : tensor<5x9xf32>, tensor<2xi32> -> tensor<2x8xf32>
  return
}

// -----

func.func @f(%x: tensor<5x9xf32>, %r: tensor<2xi32>) {
  // expected-error@+1 {{has 2 rows but 5 result rows}}
  %0 = nn.select_rows %x, %r : tensor<5x9xf32>, tensor<2xi32> -> tensor<5x9xf32>
  return
}
