// RUN: llmc-opt %s --lower-to-cuda=max-rows=32 | FileCheck %s
// RUN: llmc-opt %s --lower-to-cuda=max-rows=32 --canonicalize --plan-arena --approximate-math --lower-kernels \
// RUN:   | FileCheck %s --check-prefix=NVVM

// Products launch a kernel on tensor cores, and a form of it for warpgroups; weights are packed in its order.
// CHECK-LABEL: nn.param @w.kernel
// CHECK:         nn.pack %{{.+}} lanes 16 fragments : tensor<32x64xbf16> -> tensor<2x2048xi8>
// CHECK:       func.func @prefill
// CHECK:         gpu.launch_func @kernels::@[[SPECIAL:product_prefill.*]] blocks
// CHECK:         gpu.launch_func @kernels::@product_prefill
// CHECK-SAME:      threads in (%{{.+}}, %{{.+}}, %{{.+}}) dynamic_shared_memory_size
// CHECK:       gpu.func @product_prefill{{.*}} llmc.except = "sm_90a"
// CHECK:         nvgpu.ldmatrix
// CHECK:         nvvm.mma.sync
// CHECK:       gpu.func @[[SPECIAL]]{{.*}} llmc.only = "sm_90a"
// CHECK-NOT:     nvvm.mma.sync
// CHECK:         nvvm.fence.proxy
// CHECK:         wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16
// NVVM-DAG:    llvm.mlir.global external @{{.+}}() {addr_space = 3 : i32, alignment = 1024 : i64}
// NVVM-DAG:    llvm.func @product_prefill(%{{.+}}: !llvm.ptr
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
