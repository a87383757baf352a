// RUN: llmc-opt %s --nn-check-expected="tolerance=1e-6" -o /dev/null
// Words are those of a Philox4x32-10 that was written in Python. Rows of the same number lose the same elements.

func.func @dropout() -> tensor<3x8xf32> {
  %x = arith.constant dense<[[-1.53013575, -0.477753282, -0.978519082, -0.808837235, 1.06089866, -0.807534695, -0.0325217061, 0.884389877], [-0.583600461, -0.11170195, 0.110464141, 0.0637817755, -1.22505581, 0.0761402324, 1.35882342, -1.54714465], [0.859382689, 0.119354025, -0.641470373, 2.00041652, 0.762259722, -1.19928885, 0.0745162293, 0.576689601]]> : tensor<3x8xf32>
  %rows = arith.constant dense<[0, 5, 0]> : tensor<3xi32>
  %draw = arith.constant dense<[-559038737, 305419896, 7]> : tensor<3xi32>
  %y = nn.dropout %x rows %rows draw %draw rate 0.25 stream 19 : tensor<3x8xf32>, tensor<3xi32>, tensor<3xi32>
  return %y : tensor<3x8xf32>
}
func.func @dropout.expected() -> tensor<3x8xf32> {
  %y = arith.constant dense<[[0.0, -0.637004375, 0.0, -1.07844961, 0.0, -1.07671297, 0.0, 1.17918646], [-0.778133929, -0.148935929, 0.147285521, 0.0, -1.63340771, 0.101520307, 1.8117646, -2.06285954], [0.0, 0.159138694, 0.0, 2.66722202, 0.0, -1.59905183, 0.0, 0.768919468]]> : tensor<3x8xf32>
  return %y : tensor<3x8xf32>
}
