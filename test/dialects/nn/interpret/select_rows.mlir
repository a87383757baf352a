// RUN: llmc-opt %s --nn-check-expected="tolerance=0" -o /dev/null
// Written by make_tests.py.

func.func @select() -> (tensor<3x3xf32>) {
  %x = arith.constant dense<[[1.2721293, 0.282577008, -1.34323442], [0.0760573819, -0.99122256, -1.73588252], [-1.020239, -0.340964168, -2.16344738], [0.40386048, -0.321798027, 0.518721163], [-1.69349885, 0.571905911, -0.499296069]]> : tensor<5x3xf32>
  %rows = arith.constant dense<[4, 1, 1]> : tensor<3xi32>
  %r0 = nn.select_rows %x, %rows : tensor<5x3xf32>, tensor<3xi32> -> tensor<3x3xf32>
  return %r0 : tensor<3x3xf32>
}
func.func @select.expected() -> (tensor<3x3xf32>) {
  %r0 = arith.constant dense<[[-1.69349885, 0.571905911, -0.499296069], [0.0760573819, -0.99122256, -1.73588252], [0.0760573819, -0.99122256, -1.73588252]]> : tensor<3x3xf32>
  return %r0 : tensor<3x3xf32>
}
