// RUN: llmc-opt %s --nn-check-expected="tolerance=0" -o /dev/null
// Written by make_tests.py.

func.func @empty() -> (tensor<3x6xf32>) {
  %q = arith.constant dense<[[0.301181823, -0.497445464, 0.414955884, 1.08215857, 0.677748084, -0.833944619], [0.272651672, 0.960459471, -0.945916176, 0.9045977, -0.972532392, 1.43090725], [0.587148368, 0.427987009, -0.0973952934, 0.738297641, -0.301983863, 1.08855486]]> : tensor<3x6xf32>
  %p = arith.constant dense<[0, 1, 4]> : tensor<3xi32>
  %c = nn.empty_cache : !nn.kv_cache<1x3xf32>
  %r0 = nn.cached_attention %q, %c at %p heads 2 kv_heads 1 scale 1.0 : tensor<3x6xf32>, !nn.kv_cache<1x3xf32>, tensor<3xi32> -> tensor<3x6xf32>
  return %r0 : tensor<3x6xf32>
}
func.func @empty.expected() -> (tensor<3x6xf32>) {
  %r0 = arith.constant dense<[[0.0, 0.0, 0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 0.0, 0.0]]> : tensor<3x6xf32>
  return %r0 : tensor<3x6xf32>
}
