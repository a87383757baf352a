// RUN: llmc-opt %s -split-input-file -verify-diagnostics

func.func @f(%x: tensor<5x6xf32>, %rows: tensor<5xi32>, %draw: tensor<3xi32>) {
  // expected-error@+1 {{has a rate of 1.000000e+00, expected one from 0 to 0.999}}
  %0 = nn.dropout %x rows %rows draw %draw rate 1.0 stream 0 : tensor<5x6xf32>, tensor<5xi32>, tensor<3xi32>
  return
}

// -----

func.func @f(%x: tensor<5x6xf32>, %rows: tensor<5xi32>, %draw: tensor<3xi32>) {
  // expected-error@+1 {{has the stream -1, expected one of 32 bits}}
  %0 = nn.dropout %x rows %rows draw %draw rate 0.5 stream -1 : tensor<5x6xf32>, tensor<5xi32>, tensor<3xi32>
  return
}

// -----

func.func @f(%x: tensor<5x6xf32>, %rows: tensor<5xi32>, %draw: tensor<2xi32>) {
  // expected-error@+1 {{has a draw of type 'tensor<2xi32>', expected two words of a seed and a step}}
  %0 = nn.dropout %x rows %rows draw %draw rate 0.5 stream 0 : tensor<5x6xf32>, tensor<5xi32>, tensor<2xi32>
  return
}

// -----

func.func @f(%x: tensor<5x6xf32>, %rows: tensor<4xi32>, %draw: tensor<3xi32>) {
  // expected-error@+1 {{has 5 input rows but 4 row numbers}}
  %0 = nn.dropout %x rows %rows draw %draw rate 0.5 stream 0 : tensor<5x6xf32>, tensor<4xi32>, tensor<3xi32>
  return
}
