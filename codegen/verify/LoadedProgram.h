//===- LoadedProgram.h - compiled steps in the process that compiled them ------------------------------===//
#ifndef LLMC_CODEGEN_VERIFY_LOADEDPROGRAM_H
#define LLMC_CODEGEN_VERIFY_LOADEDPROGRAM_H

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "codegen/verify/GuardedMemory.h"
#include "dialects/nn/ParameterSource.h"
#include "mlir/IR/BuiltinOps.h"
#include "runtime/core/StepAbi.h"
#include "runtime/core/Team.h"
#include "llvm/ADT/StringMap.h"
#include <memory>
#include <string>
#include <vector>

namespace llmc::codegen {

/// The inputs of one step.
struct StepInputs {
  std::vector<int32_t> tokens;     ///< [rows]
  std::vector<int32_t> tokenTypes; ///< [rows]
  int64_t firstPosition = 0;       ///< of the tokens in their sequence
  std::vector<int32_t> outputIds;  ///< rows whose outputs are wanted
};

/// The numbers first .. first + count - 1.
std::vector<int32_t> countFrom(int64_t first, int64_t count);

/// The steps of a program, loaded from a shared object, with the program's weights in memory as an artifact
/// has them. All buffers end at guards, and activations are full of NaN before each step.
class LoadedProgram {
public:
  /// `program` is at the level "tiled" or "llvm": it says where weights lie and what the steps are.
  static absl::StatusOr<std::unique_ptr<LoadedProgram>>
  load(mlir::ModuleOp program, const std::string &sharedObject, nn::ParameterSource &parameters);
  ~LoadedProgram();
  LoadedProgram(const LoadedProgram &) = delete;
  LoadedProgram &operator=(const LoadedProgram &) = delete;

  bool has(llvm::StringRef step) const { return steps.contains(step); }
  /// Columns of the output.
  int64_t width() const { return outputWidth; }
  /// Zeroed memory for the caches of a sequence.
  std::unique_ptr<GuardedMemory> makeCache() const;

  /// Runs a step of training on its operands, in the order of operandsOf(), with a spoiled arena.
  void run(llvm::StringRef name, llvm::ArrayRef<void *> operands, runtime::Team &team) const;
  /// The names of a step's operands.
  llvm::ArrayRef<std::string> operandsOf(llvm::StringRef name) const {
    return operandNames.find(name)->second;
  }
  /// The weights, in their places.
  const GuardedMemory &parameters() const { return *weights; }

  /// Runs the step called `name`. Returns the outputs of the wanted rows, [outputIds, width]. Fails if the
  /// step writes behind their end.
  absl::StatusOr<std::vector<float>> run(llvm::StringRef name, const StepInputs &inputs,
                                         const GuardedMemory &cache, runtime::Team &team) const;

private:
  LoadedProgram() = default;
  absl::Status placeWeights(mlir::ModuleOp program, nn::ParameterSource &parameters);
  absl::Status openLibrary(const std::string &sharedObject);
  absl::Status findSteps(mlir::ModuleOp program);

  void *library = nullptr;
  llvm::StringMap<LlmcStepFunction> steps;
  llvm::StringMap<std::vector<std::string>> operandNames; ///< of steps of training
  std::unique_ptr<GuardedMemory> weights;
  int64_t arenaBytes = 0, cacheBytes = 0, outputWidth = 0;
};

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_VERIFY_LOADEDPROGRAM_H
