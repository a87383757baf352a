// RUN: llmc-opt %s --nn-check-expected="tolerance=0" -o /dev/null
// Written by make_tests.py.

func.func private @twice(%a: tensor<2x3xf32>, %b: tensor<2x3xf32>) -> (tensor<2x3xf32>, tensor<2x3xf32>) {
  %0 = nn.scale %a by 2.0 : tensor<2x3xf32>
  %1 = nn.scale %b by 0.5 : tensor<2x3xf32>
  return %0, %1 : tensor<2x3xf32>, tensor<2x3xf32>
}
func.func @call() -> (tensor<2x3xf32>, tensor<2x3xf32>) {
  %x = arith.constant dense<[[0.993986547, -0.453300416, -1.52995849], [1.04491746, -0.164608017, -0.858731389]]> : tensor<2x3xf32>
  %0, %1 = func.call @twice(%x, %x) : (tensor<2x3xf32>, tensor<2x3xf32>) -> (tensor<2x3xf32>, tensor<2x3xf32>)
  %r0, %r1 = func.call @twice(%0, %1) : (tensor<2x3xf32>, tensor<2x3xf32>) -> (tensor<2x3xf32>, tensor<2x3xf32>)
  return %r0, %r1 : tensor<2x3xf32>, tensor<2x3xf32>
}
func.func @call.expected() -> (tensor<2x3xf32>, tensor<2x3xf32>) {
  %r0 = arith.constant dense<[[3.97594619, -1.81320167, -6.11983395], [4.17966986, -0.658432066, -3.43492556]]> : tensor<2x3xf32>
  %r1 = arith.constant dense<[[0.248496637, -0.113325104, -0.382489622], [0.261229366, -0.0411520042, -0.214682847]]> : tensor<2x3xf32>
  return %r0, %r1 : tensor<2x3xf32>, tensor<2x3xf32>
}
