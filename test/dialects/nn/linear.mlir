// RUN: llmc-opt %s | llmc-opt | FileCheck %s

func.func @f(%x: tensor<?x64xf32>, %w: tensor<5x64x!nn.block<q8_0>>, %v: tensor<5x64xf32>, %b: tensor<5xf32>) -> tensor<?x5xf32> {
// CHECK: %{{.*}} = nn.linear %{{.*}}, %{{.*}} : tensor<?x64xf32>, tensor<5x64x!nn.block<q8_0>> -> tensor<?x5xf32>
  %0 = nn.linear %x, %w : tensor<?x64xf32>, tensor<5x64x!nn.block<q8_0>> -> tensor<?x5xf32>
// CHECK: %{{.*}} = nn.linear %{{.*}}, %{{.*}} bias %{{.*}} : tensor<?x64xf32>, tensor<5x64xf32>, tensor<5xf32> -> tensor<?x5xf32>
  %1 = nn.linear %x, %v bias %b : tensor<?x64xf32>, tensor<5x64xf32>, tensor<5xf32> -> tensor<?x5xf32>
  %2 = arith.addf %0, %1 : tensor<?x5xf32>
  return %2 : tensor<?x5xf32>
}
