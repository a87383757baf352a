// RUN: llmc-opt %s | llmc-opt | FileCheck %s

func.func @f(%x: tensor<?x64xf32>) -> tensor<?x64xbf16> {
// CHECK: %{{.*}} = nn.convert %{{.*}} : tensor<?x64xf32> -> tensor<?x64x!nn.block<q8_0>>
  %0 = nn.convert %x : tensor<?x64xf32> -> tensor<?x64x!nn.block<q8_0>>
// CHECK: %{{.*}} = nn.convert %{{.*}} : tensor<?x64x!nn.block<q8_0>> -> tensor<?x64xbf16>
  %1 = nn.convert %0 : tensor<?x64x!nn.block<q8_0>> -> tensor<?x64xbf16>
  return %1 : tensor<?x64xbf16>
}
