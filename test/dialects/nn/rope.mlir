// RUN: llmc-opt %s | llmc-opt | FileCheck %s

func.func @f(%x: tensor<?x24xf32>, %p: tensor<?xi32>) -> tensor<?x24xf32> {
// CHECK: %{{.*}} = nn.rope %{{.*}} at %{{.*}} heads 3 dims 8 theta 1.000000e+05 half : tensor<?x24xf32>, tensor<?xi32>
  %0 = nn.rope %x at %p heads 3 dims 8 theta 1.000000e+05 half : tensor<?x24xf32>, tensor<?xi32>
// CHECK: %{{.*}} = nn.rope %{{.*}} at %{{.*}} heads 3 dims 6 theta 1.000000e+05 interleaved : tensor<?x24xf32>, tensor<?xi32>
  %1 = nn.rope %0 at %p heads 3 dims 6 theta 1.000000e+05 interleaved : tensor<?x24xf32>, tensor<?xi32>
// CHECK: %{{.*}} = nn.rope %{{.*}} at %{{.*}} heads 3 dims 8 theta 1.000000e+05 half scaling <llama3, factor = 8.000000e+00 : f64, low_freq = 1.000000e+00 : f64, high_freq = 4.000000e+00 : f64, trained_context = 8192 : i64> : tensor<?x24xf32>, tensor<?xi32>
  %2 = nn.rope %1 at %p heads 3 dims 8 theta 1.000000e+05 half scaling <llama3, factor = 8.000000e+00 : f64, low_freq = 1.000000e+00 : f64, high_freq = 4.000000e+00 : f64, trained_context = 8192 : i64> : tensor<?x24xf32>, tensor<?xi32>
  return %2 : tensor<?x24xf32>
}
