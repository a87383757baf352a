// RUN: llmc-opt %s --lower-to-cuda=max-rows=1 --lower-kernels | FileCheck %s
// RUN: llmc-opt %s --lower-to-cuda="max-rows=1 stream-weights" --lower-kernels | FileCheck %s --check-prefix=STREAM

// Kernels may begin before earlier ones end: each waits before it reads what others write. A product of one row
// asks for weights first.
// CHECK-LABEL: llvm.func @embedding_prefill
// CHECK-NEXT:    nvvm.griddepcontrol launch_dependents
// CHECK-NEXT:    nvvm.griddepcontrol wait
// CHECK-LABEL: llvm.func @product_prefill
// CHECK:         llvm.load %{{.*}} : !llvm.ptr -> vector<16xi8>
// CHECK:         nvvm.griddepcontrol wait
// CHECK-NOT:     nvvm.griddepcontrol
// CHECK:         nvvm.mma.sync

// Weights that are streamed come by the copy engine, as many as there is room for before the wait; then stage by
// stage, as warps have read them. The row is x for all lanes.
// STREAM:       llvm.func @product_prefill{{.+}} llmc.only = "sm_90a", llmc.persistent
// STREAM:         nvvm.cp.async.bulk.shared.cluster.global
// STREAM:         nvvm.griddepcontrol launch_dependents
// STREAM:         nvvm.griddepcontrol wait
// STREAM:         nvvm.mbarrier.try_wait.parity
// STREAM:         nvvm.ldmatrix
// STREAM:         nvvm.mma.sync
nn.param @w : tensor<32x64xbf16>
nn.param @table : tensor<8x64xf32>
func.func @forward(%tokens: tensor<?xi32> {nn.input = "tokens"}) -> (tensor<?x32xf32> {nn.output}) {
  %t = nn.load @table : tensor<8x64xf32>
  %w = nn.load @w : tensor<32x64xbf16>
  %x = nn.embedding %tokens, %t : tensor<?xi32>, tensor<8x64xf32> -> tensor<?x64xf32>
  %h = nn.convert %x : tensor<?x64xf32> -> tensor<?x64xbf16>
  %y = nn.linear %h, %w : tensor<?x64xbf16>, tensor<32x64xbf16> -> tensor<?x32xf32>
  return %y : tensor<?x32xf32>
}
