// RUN: llmc-opt %s --nn-check-expected="tolerance=0" -o /dev/null
// Written by make_tests.py.

func.func @select() -> (tensor<3x3xf32>) {
  %x = arith.constant dense<[[1.2721293, 1.48406518, -0.459536403], [1.10353637, -0.140970886, -1.32904923], [-0.648314714, -0.491161257, 1.74979484], [0.0693845376, 0.775547862, 0.0428887643], [-0.184081405, -1.33418763, 0.313737452]]> : tensor<5x3xf32>
  %rows = arith.constant dense<[4, 1, 1]> : tensor<3xi32>
  %r0 = nn.select_rows %x, %rows : tensor<5x3xf32>, tensor<3xi32> -> tensor<3x3xf32>
  return %r0 : tensor<3x3xf32>
}
func.func @select.expected() -> (tensor<3x3xf32>) {
  %r0 = arith.constant dense<[[-0.184081405, -1.33418763, 0.313737452], [1.10353637, -0.140970886, -1.32904923], [1.10353637, -0.140970886, -1.32904923]]> : tensor<3x3xf32>
  return %r0 : tensor<3x3xf32>
}
