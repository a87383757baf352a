// RUN: llmc-opt %s --nn-check-expected="tolerance=2e-6" -o /dev/null
// Expected is what torch.nn.functional.kl_div gives in f64.

func.func @divergence() -> tensor<3x1xf32> {
  %x = arith.constant dense<[[0.00184523, 0.448118299, -0.411206782, -1.33588779, -0.68200618], [-1.48746979, 0.0902154073, 2.01032281, -0.738309801, -0.930712342], [0.734763086, 0.535330534, 0.158121377, -1.39570212, -0.043877732]]> : tensor<3x5xf32>
  %r = arith.constant dense<[[1.0429548, -2.0163219, -0.686423659, -2.85183406, -1.93430662], [-2.76260257, -0.352636695, -1.90116978, 0.406896532, 0.235126629], [-0.280396432, -3.77513957, -0.808039367, -0.0727514178, 0.169963479]]> : tensor<3x5xf32>
  %d = nn.kl_divergence %x, %r : tensor<3x5xf32>, tensor<3x5xf32> -> tensor<3x1xf32>
  return %d : tensor<3x1xf32>
}
func.func @divergence.expected() -> tensor<3x1xf32> {
  %d = arith.constant dense<[[0.687616897], [1.5667822], [0.669841349]]> : tensor<3x1xf32>
  return %d : tensor<3x1xf32>
}
