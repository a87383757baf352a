// RUN: llmc-opt %s -split-input-file -verify-diagnostics

func.func @f(%x: tensor<2x6xf32>) {
  // expected-error@+1 {{needs a positive cap}}
  %0 = nn.softcap %x to 0.0 : tensor<2x6xf32>
  return
}
