//===- Pipelines.h - what the compiler does to a model -----------------------------------------------===//
#ifndef LLMC_PASSES_PIPELINES_H
#define LLMC_PASSES_PIPELINES_H

#include "mlir/Pass/PassOptions.h"
#include "passes/Passes.h"
#include <memory>
#include <vector>

namespace mlir {
class OpPassManager;
}

namespace llmc::passes {

/// What a user chooses about the code that is made for inference.
struct InferencePipelineOptions : mlir::PassPipelineOptions<InferencePipelineOptions> {
  Option<ComputeType> computeType{
      *this, "compute-type", llvm::cl::desc("What products are computed in"),
      llvm::cl::init(ComputeType::Auto),
      llvm::cl::values(clEnumValN(ComputeType::Auto, "auto", "as stored, but f32 instead of f16"),
                       clEnumValN(ComputeType::F32, "f32", "single precision"),
                       clEnumValN(ComputeType::BF16, "bf16", "bfloat16"))};
  Option<std::string> cacheType{*this, "cache-type",
                                llvm::cl::desc("Precision of cached keys and values: f32, f16, bf16"),
                                llvm::cl::init("f32")};
  Option<int64_t> activationBits{
      *this, "activation-bits",
      llvm::cl::desc("Bits of the activations that quantized weights are multiplied by: 8 or 16"),
      llvm::cl::init(16)};
  Option<bool> quantizeActivations{*this, "quantize-activations",
                                   llvm::cl::desc("Multiply quantized weights by quantized activations"),
                                   llvm::cl::init(true)};
  Option<bool> bf16Inputs{*this, "bf16-inputs",
                          llvm::cl::desc("Round the inputs of products of quantized weights to bf16"),
                          llvm::cl::init(false)};
};

/// Passes in the order in which they run. Each works on a whole module, so that a program can be written
/// after each of them and gone on from.
using PassList = std::vector<std::unique_ptr<mlir::Pass>>;

/// The passes from an imported model to kernels (`nn.fusion` and single operations) that a code generator
/// lowers. Target-independent.
PassList inferencePasses(const InferencePipelineOptions &options);

/// The passes from a function @loss on an open number of rows to structured operations that a code generator
/// lowers (`nn-differentiate` and what is around it). Functions beside @loss become structured too.
struct TrainingPipelineOptions : mlir::PassPipelineOptions<TrainingPipelineOptions> {
  Option<int64_t> rows{*this, "rows", llvm::cl::desc("Tokens of a step"), llvm::cl::init(0)};
  Option<bool> bf16Products{*this, "bf16-products",
                            llvm::cl::desc("Multiply matrices in bf16, with sums in f32"),
                            llvm::cl::init(false)};
  Option<bool> f16Products{*this, "f16-products",
                           llvm::cl::desc("Multiply matrices in f16, with sums in f32"),
                           llvm::cl::init(false)};
};
PassList trainingPasses(const TrainingPipelineOptions &options);

/// Appends all of `list` to `manager`, which works on modules.
void addPasses(mlir::OpPassManager &manager, PassList list);

/// Registers `nn-inference` and `nn-training`.
void registerPipelines();

} // namespace llmc::passes

#endif // LLMC_PASSES_PIPELINES_H
