//===- Compiler.h - from an imported model to an artifact --------------------------------------------===//
#ifndef LLMC_CODEGEN_COMPILER_COMPILER_H
#define LLMC_CODEGEN_COMPILER_COMPILER_H

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "frontend/import/Import.h"
#include <functional>
#include <string>
#include <vector>

namespace llmc::codegen {

/// The levels at which a program can be written (shared by --emit and documentation).
enum class Level {
  Imported, ///< nn as the frontend made it
  NN,       ///< nn after the target-independent passes: fused kernels
  Tiled,    ///< kernels on memrefs and vectors
  Llvm,     ///< the LLVM dialect; kernels for GPUs in that and NVVM
  Ptx,      ///< kernels for GPUs as text for the driver
  Cubin,    ///< kernels for GPUs as machine code
  LlvmIr,   ///< LLVM IR after optimization
  Assembly,
  Object,
  Shared, ///< a shared object without weights
  Artifact,
};

/// The level called `name` on the command line; the error lists all of them.
absl::StatusOr<Level> parseLevel(const std::string &name);

/// What computes.
enum class TargetKind { Cpu, Cuda };

/// The architectures that kernels are made for unless others are asked for.
std::vector<std::string> defaultGpuArchs();

/// What to compile a model for, how precisely, and how far. The defaults are those of `llmc compile`: a whole
/// artifact for this machine.
struct CompileOptions {
  TargetKind target = TargetKind::Cpu;
  std::vector<std::string> gpuArchs; ///< of kernels for GPUs, e.g. "sm_90"; the first is also written as PTX
  bool streamWeights = false;        ///< of steps of one row on GPUs, by the copy engine
  std::string targetCpu = "native";  ///< a CPU by its LLVM name, or native: this one
  int64_t context = 0;               ///< positions that a cache holds; 0: the model's own, at most 4096
  int64_t rowsPerStep = 0;           ///< tokens of one step; 0: 256, or all of the context for an encoder
  std::string computeType = "auto";  ///< --dtype: auto, f32 or bf16
  int64_t activationBits = 16;    ///< codes of activations that quantized weights are multiplied by: 8 or 16
  std::string cacheType = "auto"; ///< precision of cached keys and values: f32, f16, bf16, or auto: bf16 for
                                  ///< GPUs, else f32
  Level emit = Level::Artifact;   ///< the level that is written
  bool leaveOutWeights = false;   ///< write an artifact without weights, to measure
  std::string stopAfter;          ///< the pass after which the program is written as MLIR (PassSequence.h)
  std::string startFrom;          ///< a file with the program at some level, instead of the imported one
  bool verifyNumerics = false;    ///< check every pass on nn, and the code, against the interpreter
  bool timing = false;            ///< print the seconds of each pass to stderr
  bool statistics = false;        ///< print what each pass counted to stderr
  std::string source;             ///< how the user named the model: for the artifact and for messages
};

/// Stages of a compilation: what is done now, and how much of it (0 to 1; negative if that is not known).
using ProgressCallback = std::function<void(absl::string_view stage, double fraction)>;

/// Registers all dialects that compilation needs.
void registerCompilerDialects(mlir::DialectRegistry &registry);

/// Compiles `model` and writes the chosen level to `outputPath`; the file appears only when it is complete.
/// An output that is a file of the model, or the program to start from, is refused.
/// Remarks of passes, and on what could not be verified, go to the context's handlers. Errors are one line;
/// kUnimplemented means that a pass refused the program (passes/NotSupported.h), kInternal that one failed,
/// kAborted that one, or the code, broke the numeric bound that it declares, or declares none.
absl::Status compileModel(frontend::ImportedModel &model, const CompileOptions &options,
                          const std::string &outputPath, const ProgressCallback &progress);

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_COMPILER_COMPILER_H
