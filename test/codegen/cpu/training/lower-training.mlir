// RUN: llmc-opt %s --nn-training=rows=8 --lower-training-to-cpu=target-cpu=x86-64-v4 | FileCheck %s

// A step with its operands: arguments, results, and the sections of parameters and gradients.
nn.param @w : tensor<32x64xf32>
// CHECK: nn.param @w : tensor<32x64xf32> attributes {llmc.offset = 0 : i64}
// CHECK: func.func @loss_step(%[[X:.*]]: memref<8x64xf32>, %[[T:.*]]: memref<8xi32>, %{{.*}}: memref<8x1xf32>, %{{.*}}: memref<8x1xf32>, %[[G:.*]]: memref<8192xi8>, %[[P:.*]]: memref<8192xi8>)
// CHECK-SAME: llmc.operands = ["x", "targets", "seed0", "losses", "gradients", "parameters"]
// CHECK-SAME: llmc.step = "loss"
// CHECK: memref.view %[[G]]
// CHECK: %[[W:.*]] = memref.view %[[P]]
// CHECK: scf.forall
// CHECK-NEXT: call @pack_loss_0(%[[W]]
// CHECK: call @product_loss_1(%[[X]]
func.func @loss(%x: tensor<?x64xf32> {nn.input = "x"}, %t: tensor<?xi32> {nn.input = "targets"}) -> (tensor<?x1xf32> {nn.output = "losses"}) {
  %w = nn.load @w : tensor<32x64xf32>
  %y = nn.linear %x, %w : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  %l = nn.cross_entropy %y, %t : tensor<?x32xf32>, tensor<?xi32> -> tensor<?x1xf32>
  return %l : tensor<?x1xf32>
}
