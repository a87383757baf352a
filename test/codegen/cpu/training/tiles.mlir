// RUN: llmc-opt %s --nn-training="rows=64 bf16-products" --lower-training-to-cpu=target-cpu=sapphirerapids | FileCheck %s
// RUN: llmc-opt %s --nn-training="rows=64 bf16-products" --lower-training-to-cpu=target-cpu=znver4 | FileCheck %s --check-prefix=VECTORS

// Products of bf16 go to the matrix unit where there is one.
nn.param @w : tensor<32x64xf32>
// CHECK: amx.tile_mulf {{.*}} : !amx.tile<16x32xbf16>, !amx.tile<16x32xbf16>, !amx.tile<16x16xf32>
// VECTORS-NOT: amx
// VECTORS: vector.fma
func.func @loss(%x: tensor<?x64xf32> {nn.input = "x"}) -> (tensor<?x32xf32> {nn.output = "y"}) {
  %w = nn.load @w : tensor<32x64xf32>
  %y = nn.linear %x, %w : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  return %y : tensor<?x32xf32>
}
