//===- MachineCode.h - from the LLVM dialect to an object -----------------------------------------------===//
#ifndef LLMC_CODEGEN_CPU_MACHINECODE_H
#define LLMC_CODEGEN_CPU_MACHINECODE_H

#include "absl/status/statusor.h"
#include "codegen/common/Target.h"
#include "mlir/IR/BuiltinOps.h"
#include <string>

namespace llvm {
class Module;
class TargetMachine;
} // namespace llvm

namespace llmc::codegen {

/// What emitCode writes.
enum class CodeForm {
  LlvmIr,   ///< LLVM IR after optimization, as text
  Assembly, ///< of the target, as text
  Object,   ///< a relocatable object
};

/// Compiles a module of the LLVM dialect.
absl::StatusOr<std::string> emitCode(mlir::ModuleOp module, const Target &target, CodeForm form);

/// Optimizes a module as -O3 does.
void optimize(llvm::Module &module, llvm::TargetMachine &machine);

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CPU_MACHINECODE_H
