//===- Passes.td - the passes below nn for the CPU, in the order of the pipeline -------*- tablegen -*-===//

#ifndef LLMC_CODEGEN_CPU_PASSES_TD
#define LLMC_CODEGEN_CPU_PASSES_TD

include "mlir/Pass/PassBase.td"

//===----------------------------------------------------------------------===//
// To kernels on memrefs and vectors: the level "tiled"
//===----------------------------------------------------------------------===//

def LowerToCpu : Pass<"lower-to-cpu", "::mlir::ModuleOp"> {
  let summary = "make kernels of fused nn, and the steps that run them";
  let description = [{
    Lowers every function from values to memory, for one number of rows at a time: the public function becomes the step `prefill` for up
    to `max-rows` rows and, if it has a cache, the step `decode` for one; private functions get a version for each step. A public function that returns
    caches only reads a source: it becomes the step `source`, for as many rows as there are positions. A step is marked `llmc.step`; its arguments are the fields of LlmcStep (runtime/core/StepAbi.h).

    Each `nn.fusion`, and each operation of nn outside of one, becomes a private function, the kernel, that does one chunk of the work,
    and an `scf.forall` over the chunks. All threads run the code outside of `scf.forall`. In a step of one row the operations before a
    product are done by every thread for itself, which is marked `llmc.every_thread` on the call.

    Results stay within 1e-5 of the largest: sums are taken in another order.

    Parameters get derived ones, `NAME.kernel`, that hold them as kernels read them (`nn.align_heads`, `nn.pack`), with their place in the
    weights as `llmc.offset`. Caches are updated in place; steps share their places, those that a source fills first (`llmc.cache_runs`).

    Before:

        %y = nn.linear %x, %w : tensor<?x64xf32>, tensor<128x64xf32> -> tensor<?x128xf32>

    After:

        %y = memref.alloc() {alignment = 64 : i64} : memref<256x128xf32>
        scf.forall (%chunk) in (4) {
          func.call @product_prefill(%x, %w, %rows, %y, %chunk) : ...
        }
  }];
  let options = [
    Option<"targetCpu", "target-cpu", "std::string", "\"native\"", "Processor to make code for, by LLVM's names">,
    Option<"context", "context", "int64_t", "2048", "Positions that a cache holds">,
    Option<"maxRows", "max-rows", "int64_t", "256", "Rows of one step at most">,
  ];
  let dependentDialects = ["::mlir::amx::AMXDialect", "::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
    "::mlir::LLVM::LLVMDialect", "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def LowerTrainingToCpu : Pass<"lower-training-to-cpu", "::mlir::ModuleOp"> {
  let summary = "make kernels of functions for training, and the steps that run them";
  let description = [{
    Lowers each public function, after `nn-decompose`, to the step of its name: each structured operation, and each operation of nn that
    has kernels of its own, becomes a kernel and an `scf.forall` over its chunks. Chunks do not depend on the number of threads, and each
    sum has one order, so that results do not either.

    A step is marked `llmc.step`, and `llmc.operands` names its arguments: those of the function, by `nn.input`; its results, by
    `nn.output`; and the sections that it uses. `parameters` holds all `nn.param`, each at its `llmc.offset`; `gradients` holds at the same
    places what results marked `nn.gradient` are added to, and there are sections for what optimizers keep (`nn.state`).

    Before:

        %y = linalg.generic {...} ins(%x, %w : tensor<64x32xf32>, tensor<48x32xf32>) outs(%zero : tensor<64x48xf32>) { ... }

    After:

        %y = memref.alloc() {alignment = 64 : i64} : memref<64x48xf32>
        scf.forall (%chunk) in (1) { func.call @pack(%w, %packed, %chunk) : ... }
        scf.forall (%chunk) in (1) { func.call @product(%x, %packed, %y, %chunk) : ... }
  }];
  let options = [
    Option<"targetCpu", "target-cpu", "std::string", "\"native\"", "Processor to make code for, by LLVM's names">,
  ];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::amx::AMXDialect", "::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
    "::mlir::LLVM::LLVMDialect", "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect",
    "::mlir::vector::VectorDialect"];
}

def PlanArena : Pass<"plan-arena", "::mlir::ModuleOp"> {
  let summary = "place the buffers of activations in one arena";
  let description = [{
    Replaces `memref.alloc` in steps and the functions that they call by views of one arena, which becomes the last argument of each
    function that needs it. Buffers that are not in use at the same time share memory; what a function calls gets a piece of its arena, as
    stack frames do. A function's size is its attribute `llmc.arena_bytes`.

    A buffer is in use until the next parallel region that all threads enter has ended: threads meet nowhere else.

    Before:

        %a = memref.alloc() {alignment = 64 : i64} : memref<256x64xf32>
        scf.forall (%c) in (4) { func.call @one(%x, %a, %c) : ... }
        scf.forall (%c) in (4) { func.call @two(%a, %y, %c) : ... }

    After:

        %a = memref.view %arena[%c0][] : memref<65536xi8> to memref<256x64xf32>
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::memref::MemRefDialect"];
}

//===----------------------------------------------------------------------===//
// To the LLVM dialect
//===----------------------------------------------------------------------===//

def ForallToSpmd : Pass<"forall-to-spmd", "::mlir::ModuleOp"> {
  let summary = "turn parallel loops into regions that all threads enter";
  let description = [{
    Turns `scf.forall` into a loop in which the calling thread claims chunks until all are done (`llmc_region_next` of
    runtime/core/StepAbi.h). Functions with such loops, and those that call them, get the thread's worker as their last argument.

    Steps get the list of what the kernels of their regions compute, in order (`llmc.regions`), as each kernel says it (`llmc.work`).

    Calls of kernels outside of `scf.forall` (canonicalization leaves them of loops with one chunk) become regions of one chunk, unless
    they are marked `llmc.every_thread`.

    Before:

        scf.forall (%c) in (7) {
          func.call @kernel(%x, %c) : (memref<64xf32>, index) -> ()
        }

    After:

        scf.while : () -> i64 {
          %c = func.call @llmc_region_next(%worker, %c7) : (!llvm.ptr, i64) -> i64
          %claimed = arith.cmpi sge, %c, %c0 : i64
          scf.condition(%claimed) %c : i64
        } do {
        ^bb0(%c: i64):
          %chunk = arith.index_cast %c : i64 to index
          func.call @kernel(%x, %chunk) : (memref<64xf32>, index) -> ()
          scf.yield
        }
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect", "::mlir::LLVM::LLVMDialect",
    "::mlir::scf::SCFDialect"];
}

def ApproximateMath : Pass<"approximate-math"> {
  let summary = "replace exp, tanh and erf on f32 by polynomials";
  let description = [{
    Replaces `math.exp`, `math.tanh`, `math.erf` and their like on f32 by polynomials that work on whole vectors: exp is off by 1.02 ulps at
    most (by 4.1 next to overflow), tanh and erf by 3e-7 of their value, so that
    results stay within 2e-6 of the largest. What is computed in f64 (the angles of rotary tables) stays and calls the C library. Multiplications with an addition
    round once where the processor can, and twice where it would need a function for it.

    Before:

        %y = math.exp %x : vector<16xf32>

    After: about twenty operations of `arith` and `vector.fma` on `vector<16xf32>`.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect", "::mlir::vector::VectorDialect"];
}

def StepEntry : Pass<"step-entry", "::mlir::ModuleOp"> {
  let summary = "add the functions that the runtime calls";
  let description = [{
    Adds for each step `NAME` of the LLVM dialect the function `llmc_step_NAME`, which takes the LlmcStep and the worker
    (LlmcStepFunction of runtime/core/StepAbi.h) and calls the step with the fields. All other functions become internal. `nn.param` stays: the artifact is
    written from it.

    After:

        llvm.func @llmc_step_prefill(%step: !llvm.ptr, %worker: !llvm.ptr) {
          %rows = llvm.load %step : !llvm.ptr -> i64
          ...
          llvm.call @prefill(%rows, ..., %worker)
          llvm.return
        }
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
}

#endif // LLMC_CODEGEN_CPU_PASSES_TD
