// RUN: llmc-opt %s --nn-check-expected="tolerance=1e-6" -o /dev/null

func.func @scatter() -> tensor<6x3xf32> {
  %x = arith.constant dense<[[0.0570926592, -1.18937457, -0.565884888], [-0.832653761, 0.901448667, 0.211571127], [0.447927862, -0.608823538, 0.238946199], [0.469888419, -1.95400488, -0.558733106]]> : tensor<4x3xf32>
  %i = arith.constant dense<[2, 0, 2, 5]> : tensor<4xi32>
  %r = nn.scatter_rows %x, %i : tensor<4x3xf32>, tensor<4xi32> -> tensor<6x3xf32>
  return %r : tensor<6x3xf32>
}
func.func @scatter.expected() -> tensor<6x3xf32> {
  %r = arith.constant dense<[[-0.832653761, 0.901448667, 0.211571127], [0.0, 0.0, 0.0], [0.505020499, -1.7981981, -0.326938689], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.469888419, -1.95400488, -0.558733106]]> : tensor<6x3xf32>
  return %r : tensor<6x3xf32>
}
