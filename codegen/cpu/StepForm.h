//===- StepForm.h - what steps have to look like ------------------------------------------------------===//
#ifndef LLMC_CODEGEN_CPU_STEPFORM_H
#define LLMC_CODEGEN_CPU_STEPFORM_H

#include "mlir/IR/BuiltinOps.h"

namespace llmc::codegen {

/// What a step is after the passes so far, in their order.
enum class StepForm {
  Buffers, ///< lower-to-cpu: a func.func with the arguments of StepArgument
  Arena,   ///< plan-arena: with the arena behind them
  Worker,  ///< forall-to-spmd: with the worker behind that
  Llvm,    ///< convert-func-to-llvm: an llvm.func with the same arguments
  Entry,   ///< step-entry: called by llmc_step_NAME
};

/// The types of a step's StepArguments, in their order, before they are lowered to the LLVM dialect.
llvm::SmallVector<mlir::Type> stepArgumentTypes(mlir::MLIRContext *context, int64_t maxRows,
                                                int64_t outputWidth);

/// Checks what later passes and the artifact rely on: the signature of each step, its attributes, those of
/// the module, and the places of parameters. Errors blame the program (passes/NotSupported.h): it may have
/// been written by hand.
mlir::LogicalResult verifyStepForm(mlir::ModuleOp module, StepForm form);

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CPU_STEPFORM_H
