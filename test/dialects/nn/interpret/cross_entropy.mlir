// RUN: llmc-opt %s --nn-check-expected="tolerance=2e-6" -o /dev/null
// Expected are the losses of torch.nn.functional.cross_entropy in f64; a row without a target has none.

func.func @losses() -> tensor<4x1xf32> {
  %x = arith.constant dense<[[1.84232986, 0.518887162, -1.71192133, -1.7013793, -0.129662678], [-0.601765633, 0.144998565, -0.149827167, 2.61457705, -0.434022963], [0.352335453, -0.0645514801, 1.48293233, 0.494038075, 0.249218777], [1.74703145, 0.744776964, 0.0316568948, -1.1724143, -1.50694036]]> : tensor<4x5xf32>
  %t = arith.constant dense<[2, -1, 0, 4]> : tensor<4xi32>
  %r = nn.cross_entropy %x, %t : tensor<4x5xf32>, tensor<4xi32> -> tensor<4x1xf32>
  return %r : tensor<4x1xf32>
}
func.func @losses.expected() -> tensor<4x1xf32> {
  %r = arith.constant dense<[[3.9346755], [0.0], [1.91851779], [3.7483823]]> : tensor<4x1xf32>
  return %r : tensor<4x1xf32>
}

func.func @smoothed() -> tensor<4x1xf32> {
  %x = arith.constant dense<[[1.84232986, 0.518887162, -1.71192133, -1.7013793, -0.129662678], [-0.601765633, 0.144998565, -0.149827167, 2.61457705, -0.434022963], [0.352335453, -0.0645514801, 1.48293233, 0.494038075, 0.249218777], [1.74703145, 0.744776964, 0.0316568948, -1.1724143, -1.50694036]]> : tensor<4x5xf32>
  %t = arith.constant dense<[2, -1, 0, 4]> : tensor<4xi32>
  %r = nn.cross_entropy %x, %t smoothing 0.1 : tensor<4x5xf32>, tensor<4xi32> -> tensor<4x1xf32>
  return %r : tensor<4x1xf32>
}
func.func @smoothed.expected() -> tensor<4x1xf32> {
  %r = arith.constant dense<[[3.78711829], [0.0], [1.90347188], [3.60080604]]> : tensor<4x1xf32>
  return %r : tensor<4x1xf32>
}
