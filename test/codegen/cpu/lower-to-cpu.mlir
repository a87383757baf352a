// The forward pass becomes a step for many rows and one for one row; kernels get packed parameters.
// RUN: llmc-opt %s --lower-to-cpu="target-cpu=x86-64-v4 context=64 max-rows=8" | FileCheck %s

// CHECK: llmc.cache_bytes = 0 : i64, llmc.context = 64 : i64, llmc.target = "x86-64-v4"
// CHECK: nn.param @norm : tensor<20xf32>
// CHECK: nn.param @norm.kernel : tensor<32xf32>
// CHECK:   nn.align_heads %{{.+}} lanes 16 segments [1, 20, 0, 0]
// CHECK: llmc.offset = 3840
// CHECK: nn.param @weight.kernel : tensor<3x20x64xi8>
// CHECK:   nn.pack %{{.+}} lanes 16
// CHECK: llmc.offset = 3968
// CHECK: nn.param @table.kernel
// CHECK: llmc.offset = 0
nn.param @norm : tensor<20xf32>
nn.param @weight : tensor<40x20xf32>
nn.param @table : tensor<37x20xf32>

// In a step of many rows norms are a region of their own.
// CHECK-LABEL: func.func @prefill(
// CHECK-SAME:    llmc.max_rows = 8 : i64, llmc.output_width = {{[0-9]+}} : i64, llmc.step = "prefill"
// CHECK:         scf.forall
// CHECK-NEXT:      func.call @embedding_prefill
// CHECK:         scf.forall
// CHECK-NEXT:      func.call @prologue_prefill
// CHECK:         scf.forall
// CHECK-NEXT:      func.call @product_prefill

// In a step of one row every thread normalizes for itself.
// CHECK-LABEL: func.func @decode(
// CHECK-SAME:    llmc.max_rows = 1 : i64, llmc.output_width = {{[0-9]+}} : i64, llmc.step = "decode"
// CHECK:         %[[OWN:.+]] = memref.alloca()
// CHECK:         call @prologue_decode({{.*}}, %[[OWN]]) {llmc.every_thread}
// CHECK-NOT:     call @prologue_decode
// CHECK:         scf.forall
// CHECK-NEXT:      func.call @product_decode(%[[OWN]]

// The original is gone.
// CHECK-NOT: func.func @forward
func.func @forward(%tokens: tensor<?xi32> {nn.input = "tokens"}, %cache: !nn.kv_cache<1x16xf32> {nn.input = "cache"}) -> tensor<?x40xf32> {
  %table = nn.load @table : tensor<37x20xf32>
  %x = nn.embedding %tokens, %table : tensor<?xi32>, tensor<37x20xf32> -> tensor<?x20xf32>
  %norm = nn.load @norm : tensor<20xf32>
  %weight = nn.load @weight : tensor<40x20xf32>
  %y = nn.fusion(%a = %x, %b = %norm, %c = %weight) : (tensor<?x20xf32>, tensor<20xf32>, tensor<40x20xf32>) -> tensor<?x40xf32> {
    %0 = nn.rms_norm %a, %b epsilon 1.0e-5 : tensor<?x20xf32>, tensor<20xf32>
    %1 = nn.linear %0, %c : tensor<?x20xf32>, tensor<40x20xf32> -> tensor<?x40xf32>
    nn.yield %1 : tensor<?x40xf32>
  }
  return %y : tensor<?x40xf32>
}
