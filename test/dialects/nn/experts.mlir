// RUN: llmc-opt %s | llmc-opt | FileCheck %s

func.func @f(%x: tensor<?x6xf32>, %r: tensor<?x4xf32>, %g: tensor<20x6xf32>, %d: tensor<24x5xf32>) -> tensor<?x6xf32> {
// CHECK: nn.experts %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} top_k 2 silu renormalize :
  %0 = nn.experts %x, %r, %g, %g, %d top_k 2 silu renormalize : tensor<?x6xf32>, tensor<?x4xf32>, tensor<20x6xf32>, tensor<20x6xf32>, tensor<24x5xf32> -> tensor<?x6xf32>
// CHECK: nn.experts %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} top_k 1 gelu :
  %1 = nn.experts %0, %r, %g, %g, %d top_k 1 gelu : tensor<?x6xf32>, tensor<?x4xf32>, tensor<20x6xf32>, tensor<20x6xf32>, tensor<24x5xf32> -> tensor<?x6xf32>
// CHECK: nn.experts %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} top_k 1 silu sigmoid : tensor<?x6xbf16>, {{.*}} -> tensor<?x6xf32>
  %2 = nn.convert %1 : tensor<?x6xf32> -> tensor<?x6xbf16>
  %3 = nn.experts %2, %r, %g, %g, %d top_k 1 silu sigmoid : tensor<?x6xbf16>, tensor<?x4xf32>, tensor<20x6xf32>, tensor<20x6xf32>, tensor<24x5xf32> -> tensor<?x6xf32>
  return %3 : tensor<?x6xf32>
}
