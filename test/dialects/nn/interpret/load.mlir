// RUN: llmc-opt %s --nn-check-expected="tolerance=0" -o /dev/null
// Written by make_tests.py.

nn.param @a : tensor<2x3xf32> = {
  %0 = arith.constant dense<[[1.70203495, 0.957247257, 0.941416621], [-0.493553013, 0.877660334, -0.421075255]]> : tensor<2x3xf32>
  nn.yield %0 : tensor<2x3xf32>
}
nn.param @b : tensor<1x3xf32> = {
  %0 = arith.constant dense<[[1.64248192, -1.39096403, -0.482525498]]> : tensor<1x3xf32>
  nn.yield %0 : tensor<1x3xf32>
}
nn.param @joined : tensor<3x3xf32> = {
  %0 = nn.load @a : tensor<2x3xf32>
  %1 = nn.load @b : tensor<1x3xf32>
  %2 = nn.concat %0, %1 : tensor<2x3xf32>, tensor<1x3xf32> -> tensor<3x3xf32>
  nn.yield %2 : tensor<3x3xf32>
}
func.func @derived() -> (tensor<3x3xf32>) {
  %r0 = nn.load @joined : tensor<3x3xf32>
  return %r0 : tensor<3x3xf32>
}
func.func @derived.expected() -> (tensor<3x3xf32>) {
  %r0 = arith.constant dense<[[1.70203495, 0.957247257, 0.941416621], [-0.493553013, 0.877660334, -0.421075255], [1.64248192, -1.39096403, -0.482525498]]> : tensor<3x3xf32>
  return %r0 : tensor<3x3xf32>
}
