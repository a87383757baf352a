// RUN: llmc-opt %s -verify-diagnostics --nn-check-expected=tolerance=0.1
// RUN: not llmc-opt %s --nn-check-expected=tolerance=0.01
// The check itself: within a tenth of the largest magnitude passes, beyond fails.

func.func @near() -> tensor<2xf32> {
  %0 = arith.constant dense<[10.0, 1.5]> : tensor<2xf32>
  return %0 : tensor<2xf32>
}
func.func @near.expected() -> tensor<2xf32> {
  %0 = arith.constant dense<[10.0, 1.0]> : tensor<2xf32>
  return %0 : tensor<2xf32>
}
func.func @far() -> tensor<2xf32> {
  %0 = arith.constant dense<[10.0, 2.5]> : tensor<2xf32>
  return %0 : tensor<2xf32>
}
// expected-error@+1 {{result 0 of @far, by expectation and as computed: element [1] is 1 before and 2.5 after}}
func.func @far.expected() -> tensor<2xf32> {
  %0 = arith.constant dense<[10.0, 1.0]> : tensor<2xf32>
  return %0 : tensor<2xf32>
}
