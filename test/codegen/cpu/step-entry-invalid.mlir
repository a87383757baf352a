// RUN: llmc-opt %s --step-entry --split-input-file --verify-diagnostics

// A step that a program brings has the form that entries are made for, or is refused.

// expected-error @+1 {{'llvm.func' op @step has llmc.step and 1 arguments, expected 12}}
llvm.func @step(%rows: i64)
    attributes {llmc.step = "decode", llmc.max_rows = 1 : i64, llmc.output_width = 4 : i64, llmc.arena_bytes = 0 : i64} {
  llvm.return
}

// -----

// expected-error @+1 {{'llvm.func' op @step has llmc.step and argument 2 of type 'f32', expected '!llvm.ptr'}}
llvm.func @step(%rows: i64, %outputRows: i64, %tokens: f32, %positions: !llvm.ptr, %types: !llvm.ptr, %ids: !llvm.ptr,
                   %weights: !llvm.ptr, %cache: !llvm.ptr, %offsets: !llvm.ptr, %output: !llvm.ptr, %arena: !llvm.ptr, %worker: !llvm.ptr)
    attributes {llmc.step = "decode", llmc.max_rows = 1 : i64, llmc.output_width = 4 : i64, llmc.arena_bytes = 0 : i64} {
  llvm.return
}

// -----

// expected-error @+1 {{'llvm.func' op @step has llmc.step and results, expected none}}
llvm.func @step(%rows: i64, %outputRows: i64, %tokens: !llvm.ptr, %positions: !llvm.ptr, %types: !llvm.ptr, %ids: !llvm.ptr,
                   %weights: !llvm.ptr, %cache: !llvm.ptr, %offsets: !llvm.ptr, %output: !llvm.ptr, %arena: !llvm.ptr, %worker: !llvm.ptr) -> i64
    attributes {llmc.step = "decode", llmc.max_rows = 1 : i64, llmc.output_width = 4 : i64, llmc.arena_bytes = 0 : i64} {
  llvm.return %rows : i64
}

// -----

// expected-error @+1 {{'llvm.func' op @step has llmc.step, expected a function with a body}}
llvm.func @step(i64, i64, !llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr) attributes {llmc.step = "decode", llmc.max_rows = 1 : i64, llmc.output_width = 4 : i64, llmc.arena_bytes = 0 : i64}

// -----

// expected-error @+1 {{'llvm.func' op @step has llmc.step = 3 : i64, expected a name of letters, digits and underscores}}
llvm.func @step(%rows: i64, %outputRows: i64, %tokens: !llvm.ptr, %positions: !llvm.ptr, %types: !llvm.ptr, %ids: !llvm.ptr,
                   %weights: !llvm.ptr, %cache: !llvm.ptr, %offsets: !llvm.ptr, %output: !llvm.ptr, %arena: !llvm.ptr, %worker: !llvm.ptr)
    attributes {llmc.step = 3 : i64, llmc.max_rows = 1 : i64, llmc.output_width = 4 : i64, llmc.arena_bytes = 0 : i64} {
  llvm.return
}

// -----

// expected-error @+1 {{'llvm.func' op @step has no llmc.max_rows, expected a number from 1 to}}
llvm.func @step(%rows: i64, %outputRows: i64, %tokens: !llvm.ptr, %positions: !llvm.ptr, %types: !llvm.ptr, %ids: !llvm.ptr,
                   %weights: !llvm.ptr, %cache: !llvm.ptr, %offsets: !llvm.ptr, %output: !llvm.ptr, %arena: !llvm.ptr, %worker: !llvm.ptr)
    attributes {llmc.step = "decode", llmc.output_width = 4 : i64, llmc.arena_bytes = 0 : i64} {
  llvm.return
}

// -----

// expected-error @+1 {{'llvm.func' op @step has llmc.output_width = 0 : i64, expected a number from 1 to}}
llvm.func @step(%rows: i64, %outputRows: i64, %tokens: !llvm.ptr, %positions: !llvm.ptr, %types: !llvm.ptr, %ids: !llvm.ptr,
                   %weights: !llvm.ptr, %cache: !llvm.ptr, %offsets: !llvm.ptr, %output: !llvm.ptr, %arena: !llvm.ptr, %worker: !llvm.ptr)
    attributes {llmc.step = "decode", llmc.max_rows = 1 : i64, llmc.output_width = 0 : i64, llmc.arena_bytes = 0 : i64} {
  llvm.return
}

// -----

// expected-error @+1 {{'llvm.func' op @step has no llmc.arena_bytes, expected a number from 0 to}}
llvm.func @step(%rows: i64, %outputRows: i64, %tokens: !llvm.ptr, %positions: !llvm.ptr, %types: !llvm.ptr, %ids: !llvm.ptr,
                   %weights: !llvm.ptr, %cache: !llvm.ptr, %offsets: !llvm.ptr, %output: !llvm.ptr, %arena: !llvm.ptr, %worker: !llvm.ptr)
    attributes {llmc.step = "decode", llmc.max_rows = 1 : i64, llmc.output_width = 4 : i64} {
  llvm.return
}

// -----

// expected-error @+1 {{'func.func' op has llmc.step, expected it on 'llvm.func'}}
func.func @step() attributes {llmc.step = "decode"} {
  return
}

// -----

llvm.func @step(%rows: i64, %outputRows: i64, %tokens: !llvm.ptr, %positions: !llvm.ptr, %types: !llvm.ptr, %ids: !llvm.ptr,
                   %weights: !llvm.ptr, %cache: !llvm.ptr, %offsets: !llvm.ptr, %output: !llvm.ptr, %arena: !llvm.ptr, %worker: !llvm.ptr)
    attributes {llmc.step = "decode", llmc.max_rows = 1 : i64, llmc.output_width = 4 : i64, llmc.arena_bytes = 0 : i64} {
  llvm.return
}

// expected-error @+1 {{'llvm.func' op @other has llmc.step = "decode", which another step has too}}
llvm.func @other(%rows: i64, %outputRows: i64, %tokens: !llvm.ptr, %positions: !llvm.ptr, %types: !llvm.ptr, %ids: !llvm.ptr,
                   %weights: !llvm.ptr, %cache: !llvm.ptr, %offsets: !llvm.ptr, %output: !llvm.ptr, %arena: !llvm.ptr, %worker: !llvm.ptr)
    attributes {llmc.step = "decode", llmc.max_rows = 1 : i64, llmc.output_width = 4 : i64, llmc.arena_bytes = 0 : i64} {
  llvm.return
}

// -----

llvm.func @step(%rows: i64, %outputRows: i64, %tokens: !llvm.ptr, %positions: !llvm.ptr, %types: !llvm.ptr, %ids: !llvm.ptr,
                   %weights: !llvm.ptr, %cache: !llvm.ptr, %offsets: !llvm.ptr, %output: !llvm.ptr, %arena: !llvm.ptr, %worker: !llvm.ptr)
    attributes {llmc.step = "decode", llmc.max_rows = 1 : i64, llmc.output_width = 4 : i64, llmc.arena_bytes = 0 : i64} {
  llvm.return
}

// expected-error @+1 {{'llvm.func' op @other has llmc.output_width = 5, expected 4, which the step before it has}}
llvm.func @other(%rows: i64, %outputRows: i64, %tokens: !llvm.ptr, %positions: !llvm.ptr, %types: !llvm.ptr, %ids: !llvm.ptr,
                   %weights: !llvm.ptr, %cache: !llvm.ptr, %offsets: !llvm.ptr, %output: !llvm.ptr, %arena: !llvm.ptr, %worker: !llvm.ptr)
    attributes {llmc.step = "prefill", llmc.max_rows = 1 : i64, llmc.output_width = 5 : i64, llmc.arena_bytes = 0 : i64} {
  llvm.return
}

// -----

module attributes {llmc.weights_bytes = 256 : i64} {
  nn.param @a : tensor<16xf32> attributes {llmc.offset = 0 : i64}
  // expected-error @+1 {{'nn.param' op @b has llmc.offset = 0, expected a multiple of 64 from 64 with room for its 64 bytes before llmc.weights_bytes = 256}}
  nn.param @b : tensor<16xf32> attributes {llmc.offset = 0 : i64}
}

// -----

module attributes {llmc.weights_bytes = 256 : i64} {
  // expected-error @+1 {{'nn.param' op @a has llmc.offset = 256, expected a multiple of 64 from 0 with room for its 64 bytes}}
  nn.param @a : tensor<16xf32> attributes {llmc.offset = 256 : i64}
}

// -----

// expected-error @+1 {{'builtin.module' op has no llmc.weights_bytes, expected a number from 0 to}}
module {
  nn.param @a : tensor<16xf32> attributes {llmc.offset = 0 : i64}
}
