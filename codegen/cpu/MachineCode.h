//===- MachineCode.h - from the LLVM dialect to an object -----------------------------------------------===//
#ifndef LLMC_CODEGEN_CPU_MACHINECODE_H
#define LLMC_CODEGEN_CPU_MACHINECODE_H

#include "absl/status/statusor.h"
#include "codegen/common/Target.h"
#include "mlir/IR/BuiltinOps.h"
#include <string>

namespace llmc::codegen {

enum class CodeForm { LlvmIr, Assembly, Object };

/// Compiles a module of the LLVM dialect: LLVM IR after optimization as text, assembly, or a relocatable
/// object.
absl::StatusOr<std::string> emitCode(mlir::ModuleOp module, const Target &target, CodeForm form);

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CPU_MACHINECODE_H
