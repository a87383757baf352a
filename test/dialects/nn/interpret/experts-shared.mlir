// RUN: llmc-opt %s --nn-check-expected="tolerance=2e-6" -o /dev/null

// One expert that all tokens share: silu(1 * 2) * (3 * 2) * 0.5, times the logistic function of the router.
func.func @shared() -> (tensor<2x1xf32>) {
  %x = arith.constant dense<[[2.0], [2.0]]> : tensor<2x1xf32>
  %r = arith.constant dense<[[0.0], [1.0]]> : tensor<2x1xf32>
  %g = arith.constant dense<[[1.0]]> : tensor<1x1xf32>
  %u = arith.constant dense<[[3.0]]> : tensor<1x1xf32>
  %d = arith.constant dense<[[0.5]]> : tensor<1x1xf32>
  %r0 = nn.experts %x, %r, %g, %u, %d top_k 1 silu sigmoid : tensor<2x1xf32>, tensor<2x1xf32>, tensor<1x1xf32>, tensor<1x1xf32>, tensor<1x1xf32> -> tensor<2x1xf32>
  return %r0 : tensor<2x1xf32>
}
func.func @shared.expected() -> (tensor<2x1xf32>) {
  %r0 = arith.constant dense<[[2.642391233933647], [3.863485559327833]]> : tensor<2x1xf32>
  return %r0 : tensor<2x1xf32>
}

// What goes into down is rounded as the input is: 40 * 0.0251 = 1.004 becomes 1.0078125 in bf16.
func.func @rounded() -> (tensor<1x1xf32>) {
  %x = arith.constant dense<[[1.0]]> : tensor<1x1xf32>
  %h = nn.convert %x : tensor<1x1xf32> -> tensor<1x1xbf16>
  %r = arith.constant dense<[[0.0]]> : tensor<1x1xf32>
  %g = arith.constant dense<[[40.0]]> : tensor<1x1xf32>
  %u = arith.constant dense<[[0.0251]]> : tensor<1x1xf32>
  %d = arith.constant dense<[[1.0]]> : tensor<1x1xf32>
  %r0 = nn.experts %h, %r, %g, %u, %d top_k 1 silu : tensor<1x1xbf16>, tensor<1x1xf32>, tensor<1x1xf32>, tensor<1x1xf32>, tensor<1x1xf32> -> tensor<1x1xf32>
  return %r0 : tensor<1x1xf32>
}
func.func @rounded.expected() -> (tensor<1x1xf32>) {
  %r0 = arith.constant dense<[[1.0078125]]> : tensor<1x1xf32>
  return %r0 : tensor<1x1xf32>
}
