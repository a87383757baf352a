// RUN: llmc-opt %s --nn-check-expected="tolerance=0" -o /dev/null
// Written by make_tests.py.

nn.param @a : tensor<2x3xf32> = {
  %0 = arith.constant dense<[[0.0842269287, 2.07965112, 0.650735438], [0.314142674, 0.397122085, -0.783656001]]> : tensor<2x3xf32>
  nn.yield %0 : tensor<2x3xf32>
}
nn.param @b : tensor<1x3xf32> = {
  %0 = arith.constant dense<[[0.716021955, -0.34843111, 0.569035351]]> : tensor<1x3xf32>
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
  %r0 = arith.constant dense<[[0.0842269287, 2.07965112, 0.650735438], [0.314142674, 0.397122085, -0.783656001], [0.716021955, -0.34843111, 0.569035351]]> : tensor<3x3xf32>
  return %r0 : tensor<3x3xf32>
}
