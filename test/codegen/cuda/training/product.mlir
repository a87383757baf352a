// RUN: llmc-opt %s --nn-training="rows=8 bf16-products=true" --lower-training-to-cuda --canonicalize | FileCheck %s

// Weights are rounded once in a step; a product reads both operands by way of shared memory, as they lie there.
nn.param @w : tensor<32x64xf32>
// CHECK-LABEL: func.func @loss_step
// CHECK: llmc.operands = ["x", "targets", "seed0", "losses", "gradients", "parameters"]
// CHECK: gpu.launch_func @kernels::@operand_loss
// CHECK: gpu.launch_func @kernels::@product_loss
// CHECK: gpu.func @product_loss{{.*}} llmc.except = "sm_90a"
// CHECK: nvgpu.device_async_copy
// CHECK: nvgpu.ldmatrix {{.*}} {numTiles = 4 : i32, transpose = false}
// CHECK: nvvm.mma.sync
// The form for sm_90a: a thread has the copy engine bring both operands, by their tensor maps, for two warpgroups.
// CHECK: gpu.func @product_loss{{.*}} llmc.only = "sm_90a", llmc.persistent, llmc.tensor_maps = [array<i64: 0, 128>, array<i64: 1, 128>]
// CHECK: nvvm.mbarrier.init
// CHECK: nvvm.setmaxregister decrease 40
// CHECK: nvvm.mbarrier.try_wait.parity
// CHECK: nvvm.mbarrier.arrive.expect_tx
// CHECK: nvvm.cp.async.bulk.tensor.shared.cluster.global
// CHECK: nvvm.setmaxregister increase 232
// CHECK: wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16
// CHECK: nvvm.wgmma.wait.group.sync.aligned 1
// CHECK: nvvm.mbarrier.arrive %
// The gradient of the weight: sums over rows of both.
// CHECK: gpu.func @product_loss
// CHECK: nvgpu.ldmatrix {{.*}} {numTiles = 4 : i32, transpose = true}
func.func @loss(%x: tensor<?x64xf32> {nn.input = "x"}, %t: tensor<?xi32> {nn.input = "targets"}) -> (tensor<?x1xf32> {nn.output = "losses"}) {
  %w = nn.load @w : tensor<32x64xf32>
  %y = nn.linear %x, %w : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  %l = nn.cross_entropy %y, %t : tensor<?x32xf32>, tensor<?xi32> -> tensor<?x1xf32>
  return %l : tensor<?x1xf32>
}
