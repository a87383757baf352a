// RUN: llmc-opt %s | llmc-opt | FileCheck %s

func.func @f(%x: tensor<?x9xf32>, %t: tensor<?x9xf32>) -> tensor<?x1xf32> {
// CHECK: nn.kl_divergence %{{.*}}, %{{.*}} : tensor<?x9xf32>, tensor<?x9xf32> -> tensor<?x1xf32>
  %0 = nn.kl_divergence %x, %t : tensor<?x9xf32>, tensor<?x9xf32> -> tensor<?x1xf32>
  return %0 : tensor<?x1xf32>
}
