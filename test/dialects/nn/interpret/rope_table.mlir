// RUN: llmc-opt %s --nn-check-expected="tolerance=2e-6" -o /dev/null
// Written by make_tests.py.

func.func @half() -> (tensor<4x6xf32>) {
  %p = arith.constant dense<[0, 1, 7, 1000]> : tensor<4xi32>
  %r0 = nn.rope_table %p dims 6 theta 1.000000e+04  : tensor<4xi32> -> tensor<4x6xf32>
  return %r0 : tensor<4x6xf32>
}
func.func @half.expected() -> (tensor<4x6xf32>) {
  %r0 = arith.constant dense<[[1.0, 1.0, 1.0, 0.0, 0.0, 0.0], [0.540302306, 0.998922976, 0.999997679, 0.841470985, 0.0463992235, 0.00215443302], [0.753902254, 0.947679071, 0.999886283, 0.656986599, 0.319224651, 0.0150804712], [0.562379076, -0.759663071, -0.551063658, 0.826879541, 0.65031686, 0.834463208]]> : tensor<4x6xf32>
  return %r0 : tensor<4x6xf32>
}

func.func @interleaved() -> (tensor<4x6xf32>) {
  %p = arith.constant dense<[0, 1, 7, 1000]> : tensor<4xi32>
  %r0 = nn.rope_table %p dims 6 theta 1.000000e+04  : tensor<4xi32> -> tensor<4x6xf32>
  return %r0 : tensor<4x6xf32>
}
func.func @interleaved.expected() -> (tensor<4x6xf32>) {
  %r0 = arith.constant dense<[[1.0, 1.0, 1.0, 0.0, 0.0, 0.0], [0.540302306, 0.998922976, 0.999997679, 0.841470985, 0.0463992235, 0.00215443302], [0.753902254, 0.947679071, 0.999886283, 0.656986599, 0.319224651, 0.0150804712], [0.562379076, -0.759663071, -0.551063658, 0.826879541, 0.65031686, 0.834463208]]> : tensor<4x6xf32>
  return %r0 : tensor<4x6xf32>
}

func.func @partial() -> (tensor<4x6xf32>) {
  %p = arith.constant dense<[0, 1, 7, 1000]> : tensor<4xi32>
  %r0 = nn.rope_table %p dims 6 theta 1.000000e+04  : tensor<4xi32> -> tensor<4x6xf32>
  return %r0 : tensor<4x6xf32>
}
func.func @partial.expected() -> (tensor<4x6xf32>) {
  %r0 = arith.constant dense<[[1.0, 1.0, 1.0, 0.0, 0.0, 0.0], [0.540302306, 0.998922976, 0.999997679, 0.841470985, 0.0463992235, 0.00215443302], [0.753902254, 0.947679071, 0.999886283, 0.656986599, 0.319224651, 0.0150804712], [0.562379076, -0.759663071, -0.551063658, 0.826879541, 0.65031686, 0.834463208]]> : tensor<4x6xf32>
  return %r0 : tensor<4x6xf32>
}

func.func @partial_interleaved() -> (tensor<4x6xf32>) {
  %p = arith.constant dense<[0, 1, 7, 1000]> : tensor<4xi32>
  %r0 = nn.rope_table %p dims 6 theta 1.000000e+04  : tensor<4xi32> -> tensor<4x6xf32>
  return %r0 : tensor<4x6xf32>
}
func.func @partial_interleaved.expected() -> (tensor<4x6xf32>) {
  %r0 = arith.constant dense<[[1.0, 1.0, 1.0, 0.0, 0.0, 0.0], [0.540302306, 0.998922976, 0.999997679, 0.841470985, 0.0463992235, 0.00215443302], [0.753902254, 0.947679071, 0.999886283, 0.656986599, 0.319224651, 0.0150804712], [0.562379076, -0.759663071, -0.551063658, 0.826879541, 0.65031686, 0.834463208]]> : tensor<4x6xf32>
  return %r0 : tensor<4x6xf32>
}

func.func @linear() -> (tensor<4x6xf32>) {
  %p = arith.constant dense<[0, 1, 7, 1000]> : tensor<4xi32>
  %r0 = nn.rope_table %p dims 6 theta 1.000000e+04 scaling <linear, factor = 4.0 : f64> : tensor<4xi32> -> tensor<4x6xf32>
  return %r0 : tensor<4x6xf32>
}
func.func @linear.expected() -> (tensor<4x6xf32>) {
  %r0 = arith.constant dense<[[1.0, 1.0, 1.0, 0.0, 0.0, 0.0], [0.968912422, 0.999932675, 0.999999855, 0.247403959, 0.0116037117, 0.000538608646], [-0.178246056, 0.996702835, 0.999992893, 0.983985947, 0.0811385111, 0.00377025178], [0.240988305, 0.571553482, 0.858423183, -0.97052802, -0.820564816, 0.512942141]]> : tensor<4x6xf32>
  return %r0 : tensor<4x6xf32>
}

func.func @factors() -> (tensor<4x6xf32>) {
  %p = arith.constant dense<[0, 1, 7, 1000]> : tensor<4xi32>
  %r0 = nn.rope_table %p dims 6 theta 1.000000e+04 scaling <factors, factors = [1.0, 2.0, 8.0]> : tensor<4xi32> -> tensor<4x6xf32>
  return %r0 : tensor<4x6xf32>
}
func.func @factors.expected() -> (tensor<4x6xf32>) {
  %r0 = arith.constant dense<[[1.0, 1.0, 1.0, 0.0, 0.0, 0.0], [0.540302306, 0.999730708, 0.999999964, 0.841470985, 0.0232058609, 0.000269304333], [0.753902254, 0.986833084, 0.999998223, 0.656986599, 0.161741968, 0.00188512924], [0.562379076, -0.346653233, 0.963956219, 0.826879541, -0.937993356, 0.266060912]]> : tensor<4x6xf32>
  return %r0 : tensor<4x6xf32>
}
