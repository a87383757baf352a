// RUN: llmc-opt %s -split-input-file -verify-diagnostics

func.func @f(%x: tensor<2xf32>) {
  // expected-error@+1 {{expects parent op to be one of 'nn.fusion, nn.param'}}
  nn.yield %x : tensor<2xf32>
}
