//===- TrainerCompiler.h - from a recipe to a trainer ------------------------------------------------===//
#ifndef LLMC_CODEGEN_COMPILER_TRAINERCOMPILER_H
#define LLMC_CODEGEN_COMPILER_TRAINERCOMPILER_H

#include "absl/status/status.h"
#include "codegen/compiler/Compiler.h"
#include "codegen/cuda/Pipeline.h"
#include "frontend/import/Import.h"
#include "mlir/IR/MLIRContext.h"
#include "runtime/core/artifact.pb.h"
#include "train/recipe.pb.h"
#include <string>
#include <utility>
#include <vector>

namespace llmc::codegen {

/// What to make of a recipe, and for which machine.
struct TrainerOptions {
  TargetKind target = TargetKind::Cpu;
  std::vector<std::string> gpuArchs; ///< of kernels for GPUs; by default defaultGpuArchs()
  ProductTiles productTiles;
  /// Steps tell which tensor is first no number.
  bool debugNumerics = false;
  std::string targetCpu = "native";
  /// Imported (nn as the recipe says it), NN (structured operations of all functions), Tiled, Llvm, or
  /// Artifact: the trainer.
  Level emit = Level::Artifact;
  /// The program that trains, to which the compiled steps are added.
  std::string trainerProgram;
  /// A serialized llmc.text.TokenizerModel, or nothing.
  std::string tokenizer;
  /// Which tokens can be hidden, for the objective of masked tokens.
  runtime::Masking masking;
  /// The model of the recipe's checkpoint or definition; its module is taken.
  frontend::ImportedModel *model = nullptr;
  /// The model that stays as it is beside the one that learns, if the recipe asks for one; its module is
  /// taken.
  frontend::ImportedModel *reference = nullptr;
  /// Files, by name, that are put into checkpoints: the tokenizer's, and config.json.
  std::vector<std::pair<std::string, std::string>> checkpointFiles;
  std::string source; ///< how the user named the recipe
};

/// Registers all dialects that this needs, beside those of registerCompilerDialects().
void registerTrainingDialects(mlir::DialectRegistry &registry);

/// Compiles a complete recipe (train/Recipe.h) and writes the chosen level to `outputPath`; the file appears
/// only when it is complete. Errors are one line.
absl::Status compileTrainer(const train::Recipe &recipe, const TrainerOptions &options,
                            mlir::MLIRContext &context, const std::string &outputPath,
                            const ProgressCallback &progress);

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_COMPILER_TRAINERCOMPILER_H
