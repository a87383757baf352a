//===- LowerToCpu.h - from fused nn to kernels and steps ---------------------------------------------===//
#ifndef LLMC_CODEGEN_CPU_LOWERTOCPU_H
#define LLMC_CODEGEN_CPU_LOWERTOCPU_H

#include "codegen/common/Target.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace llmc::codegen {

/// Sizes for which a program is compiled.
struct StepSizes {
  int64_t maxRows = 256;  ///< tokens of one step
  int64_t context = 2048; ///< positions that a cache holds
};

/// Attributes of the module and its functions that say how compiled steps are used.
inline constexpr llvm::StringLiteral kStepAttribute = "llmc.step";                ///< on a step: its name
inline constexpr llvm::StringLiteral kMaxRowsAttribute = "llmc.max_rows";         ///< on a step
inline constexpr llvm::StringLiteral kOutputWidthAttribute = "llmc.output_width"; ///< on a step
inline constexpr llvm::StringLiteral kCacheBytesAttribute = "llmc.cache_bytes";   ///< on the module
inline constexpr llvm::StringLiteral kCacheRunsAttribute =
    "llmc.cache_runs"; ///< on the module: for each part of a cache its place, the number of its runs and the
                       ///< bytes of one, which holds all positions in order, in blocks of 64 at most
inline constexpr llvm::StringLiteral kSourceCacheBytesAttribute =
    "llmc.source_cache_bytes"; ///< on a module with a step that reads a source: of caches that it fills,
                               ///< which come first
inline constexpr llvm::StringLiteral kReadsSourceAttribute =
    "llmc.reads_source"; ///< on a step that has no output but the caches of a source
inline constexpr llvm::StringLiteral kArenaBytesAttribute = "llmc.arena_bytes";     ///< on a function
inline constexpr llvm::StringLiteral kWeightsBytesAttribute = "llmc.weights_bytes"; ///< on the module
inline constexpr llvm::StringLiteral kContextAttribute =
    "llmc.context";                                                    ///< on the module: StepSizes::context
inline constexpr llvm::StringLiteral kTargetAttribute = "llmc.target"; ///< on the module: Target::cpu
inline constexpr llvm::StringLiteral kTargetFeaturesAttribute =
    "llmc.target_features"; ///< on the module: Target::features; processors of one name may lack some
inline constexpr llvm::StringLiteral kOffsetAttribute =
    "llmc.offset"; ///< on nn.param: where it lies in the weights

/// On a step of training: the names of its operands (LlmcStep::operands), in order.
inline constexpr llvm::StringLiteral kOperandsAttribute = "llmc.operands";
/// On func.call: every thread calls this kernel for itself, into memory of its own. Kernels that are called
/// without it run in parallel regions, be it of one chunk: canonicalization replaces an scf.forall of one
/// iteration by its body.
inline constexpr llvm::StringLiteral kEveryThreadAttribute = "llmc.every_thread";

/// The memory of a step, as trailing arguments of the functions that are steps, in this order.
enum StepArgument : unsigned {
  kRows,
  kOutputRows,
  kTokens,
  kPositions,
  kTokenTypes,
  kOutputIds,
  kWeights,
  kCache,
  kCacheOffsets,
  kOutput,
  kStepArguments
};

/// Lowers every function from nn to kernels (private functions on memrefs) and calls of them within
/// scf.forall. The public function becomes steps: `prefill` for up to maxRows rows and, with caches, `decode`
/// for one. One that returns caches only becomes the step `source` for as many rows as there are positions:
/// it reads a source, and fills caches for the other steps. Adds to nn.param what the kernels read: packed
/// weights with their place in the weights section.
std::unique_ptr<mlir::Pass> createLowerToCpuPass(const Target &target, const StepSizes &sizes);

/// Lowers functions of training, of structured operations on tensors of known sizes, to steps
/// (lower-training-to-cpu).
std::unique_ptr<mlir::Pass> createLowerTrainingToCpuPass(const Target &target);

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CPU_LOWERTOCPU_H
