// RUN: llmc-opt %s | llmc-opt | FileCheck %s

nn.param @w : tensor<20x64x!nn.block<q8_0>>
nn.param @p : tensor<2x2x544xi8> = {
  %0 = nn.load @w : tensor<20x64x!nn.block<q8_0>>
  // CHECK: %{{.*}} = nn.pack %{{.*}} lanes 16 : tensor<20x64x!nn.block<q8_0>> -> tensor<2x2x544xi8>
  %1 = nn.pack %0 lanes 16 : tensor<20x64x!nn.block<q8_0>> -> tensor<2x2x544xi8>
  nn.yield %1 : tensor<2x2x544xi8>
}

// 4-bit codes, with and without minima; codes of two levels of scales.
// CHECK-LABEL: @formats
func.func @formats(%a: tensor<5x32x!nn.block<q4_0>>, %b: tensor<5x32x!nn.block<q4_1>>, %c: tensor<5x256x!nn.block<q6_k>>,
                   %d: tensor<5x3xbf16>, %e: tensor<5x3xf32>) {
  %0 = nn.pack %a lanes 8 : tensor<5x32x!nn.block<q4_0>> -> tensor<1x1x144xi8>
  %1 = nn.pack %b lanes 8 : tensor<5x32x!nn.block<q4_1>> -> tensor<1x1x160xi8>
  %2 = nn.pack %c lanes 8 : tensor<5x256x!nn.block<q6_k>> -> tensor<1x16x160xi8>
  %3 = nn.pack %d lanes 4 : tensor<5x3xbf16> -> tensor<2x2x16xi8>
  %4 = nn.pack %e lanes 4 : tensor<5x3xf32> -> tensor<2x3x16xi8>
  return
}

// Units before the records of a panel, a byte a lane for each 128 inputs; a word or half a word for each scale.
// CHECK-LABEL: @aligned
func.func @aligned(%a: tensor<5x160x!nn.block<q4_0, aligned>>, %b: tensor<5x160x!nn.block<q4_1, aligned>>) {
  %0 = nn.pack %a lanes 16 : tensor<5x160x!nn.block<q4_0, aligned>> -> tensor<1x1536xi8>
  %1 = nn.pack %b lanes 16 : tensor<5x160x!nn.block<q4_1, aligned>> -> tensor<1x1664xi8>
  return
}
