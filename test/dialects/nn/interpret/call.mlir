// RUN: llmc-opt %s --nn-check-expected="tolerance=0" -o /dev/null
// Written by make_tests.py.

func.func private @twice(%a: tensor<2x3xf32>, %b: tensor<2x3xf32>) -> (tensor<2x3xf32>, tensor<2x3xf32>) {
  %0 = nn.scale %a by 2.0 : tensor<2x3xf32>
  %1 = nn.scale %b by 0.5 : tensor<2x3xf32>
  return %0, %1 : tensor<2x3xf32>, tensor<2x3xf32>
}
func.func @call() -> (tensor<2x3xf32>, tensor<2x3xf32>) {
  %x = arith.constant dense<[[0.239030123, 0.606142938, -1.00911045], [-1.586869, 1.6077565, 0.432397217]]> : tensor<2x3xf32>
  %0, %1 = func.call @twice(%x, %x) : (tensor<2x3xf32>, tensor<2x3xf32>) -> (tensor<2x3xf32>, tensor<2x3xf32>)
  %r0, %r1 = func.call @twice(%0, %1) : (tensor<2x3xf32>, tensor<2x3xf32>) -> (tensor<2x3xf32>, tensor<2x3xf32>)
  return %r0, %r1 : tensor<2x3xf32>, tensor<2x3xf32>
}
func.func @call.expected() -> (tensor<2x3xf32>, tensor<2x3xf32>) {
  %r0 = arith.constant dense<[[0.956120491, 2.42457175, -4.0364418], [-6.34747601, 6.43102598, 1.72958887]]> : tensor<2x3xf32>
  %r1 = arith.constant dense<[[0.0597575307, 0.151535735, -0.252277613], [-0.39671725, 0.401939124, 0.108099304]]> : tensor<2x3xf32>
  return %r0, %r1 : tensor<2x3xf32>, tensor<2x3xf32>
}
