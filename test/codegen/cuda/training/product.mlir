// RUN: llmc-opt %s --nn-training="rows=8 bf16-products=true" --lower-training-to-cuda --canonicalize | FileCheck %s

// Weights are rounded once in a step; a product reads both operands by way of shared memory, as they lie there.
nn.param @w : tensor<32x64xf32>
// CHECK-LABEL: func.func @loss_step
// CHECK: llmc.operands = ["x", "targets", "seed0", "losses", "gradients", "parameters"]
// CHECK: gpu.launch_func @kernels::@operand_loss
// CHECK: gpu.launch_func @kernels::@product_loss
// CHECK: gpu.func @product_loss
// CHECK: nvgpu.device_async_copy
// CHECK: nvgpu.ldmatrix {{.*}} {numTiles = 4 : i32, transpose = false}
// CHECK: nvvm.mma.sync
// The gradient of the weight: sums over rows of both.
// CHECK: gpu.func @product_loss
// CHECK: nvgpu.ldmatrix {{.*}} {numTiles = 4 : i32, transpose = true}
func.func @loss(%x: tensor<?x64xf32> {nn.input = "x"}, %t: tensor<?xi32> {nn.input = "targets"}) -> (tensor<?x1xf32> {nn.output = "losses"}) {
  %w = nn.load @w : tensor<32x64xf32>
  %y = nn.linear %x, %w : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  %l = nn.cross_entropy %y, %t : tensor<?x32xf32>, tensor<?xi32> -> tensor<?x1xf32>
  return %l : tensor<?x1xf32>
}
