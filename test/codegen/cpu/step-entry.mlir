// RUN: llmc-opt %s --step-entry | FileCheck %s

// Parameters stay beside the code until it is translated; only entries are seen from outside.
// CHECK: nn.param @weight
nn.param @weight : tensor<4xf32>

// CHECK: llvm.func internal @prefill(
llvm.func @prefill(%rows: i64, %outputRows: i64, %tokens: !llvm.ptr, %positions: !llvm.ptr, %types: !llvm.ptr, %ids: !llvm.ptr,
                   %weights: !llvm.ptr, %cache: !llvm.ptr, %offsets: !llvm.ptr, %output: !llvm.ptr, %arena: !llvm.ptr, %worker: !llvm.ptr)
    attributes {llmc.step = "prefill", llmc.max_rows = 8 : i64, llmc.output_width = 4 : i64, llmc.arena_bytes = 64 : i64} {
  llvm.return
}

// The places are those of LlmcStep's fields; the arena comes behind them.
// CHECK:      llvm.func @llmc_step_prefill(%[[STEP:.+]]: !llvm.ptr, %[[WORKER:.+]]: !llvm.ptr)
// CHECK:        llvm.getelementptr %[[STEP]][0]
// CHECK-NEXT:   %[[ROWS:.+]] = llvm.load %{{.+}} : !llvm.ptr -> i64
// CHECK:        llvm.getelementptr %[[STEP]][16]
// CHECK-NEXT:   %[[TOKENS:.+]] = llvm.load
// CHECK:        llvm.getelementptr %[[STEP]][80]
// CHECK-NEXT:   %[[OUTPUT:.+]] = llvm.load
// CHECK:        llvm.getelementptr %[[STEP]][56]
// CHECK-NEXT:   %[[ARENA:.+]] = llvm.load
// CHECK:        llvm.call @prefill(%[[ROWS]], %{{.+}}, %[[TOKENS]], {{.*}}, %[[OUTPUT]], %[[ARENA]], %[[WORKER]])
