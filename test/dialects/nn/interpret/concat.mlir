// RUN: llmc-opt %s --nn-check-expected="tolerance=0" -o /dev/null
// Written by make_tests.py.

func.func @matrices() -> (tensor<5x3xf32>) {
  %a = arith.constant dense<[[2.20102572, 0.629532516, -0.86991328], [1.49018037, -1.58181489, 0.0760091469]]> : tensor<2x3xf32>
  %b = arith.constant dense<[[-0.442651689, 0.976636291, -0.11440473]]> : tensor<1x3xf32>
  %r0 = nn.concat %a, %b, %a : tensor<2x3xf32>, tensor<1x3xf32>, tensor<2x3xf32> -> tensor<5x3xf32>
  return %r0 : tensor<5x3xf32>
}
func.func @matrices.expected() -> (tensor<5x3xf32>) {
  %r0 = arith.constant dense<[[2.20102572, 0.629532516, -0.86991328], [1.49018037, -1.58181489, 0.0760091469], [-0.442651689, 0.976636291, -0.11440473], [2.20102572, 0.629532516, -0.86991328], [1.49018037, -1.58181489, 0.0760091469]]> : tensor<5x3xf32>
  return %r0 : tensor<5x3xf32>
}

func.func @vectors() -> (tensor<5xf32>) {
  %u = arith.constant dense<[0.161640286, -0.558133006]> : tensor<2xf32>
  %v = arith.constant dense<[-1.89236999, 2.09515595, -2.21134615]> : tensor<3xf32>
  %r0 = nn.concat %u, %v : tensor<2xf32>, tensor<3xf32> -> tensor<5xf32>
  return %r0 : tensor<5xf32>
}
func.func @vectors.expected() -> (tensor<5xf32>) {
  %r0 = arith.constant dense<[0.161640286, -0.558133006, -1.89236999, 2.09515595, -2.21134615]> : tensor<5xf32>
  return %r0 : tensor<5xf32>
}

func.func @integers() -> (tensor<3xi32>) {
  %i = arith.constant dense<[1, -2]> : tensor<2xi32>
  %j = arith.constant dense<[3]> : tensor<1xi32>
  %r0 = nn.concat %i, %j : tensor<2xi32>, tensor<1xi32> -> tensor<3xi32>
  return %r0 : tensor<3xi32>
}
func.func @integers.expected() -> (tensor<3xi32>) {
  %r0 = arith.constant dense<[1, -2, 3]> : tensor<3xi32>
  return %r0 : tensor<3xi32>
}
