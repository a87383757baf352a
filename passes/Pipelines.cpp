//===- Pipelines.cpp - the table of contents of the compiler, above the target -----------------------===//

#include "passes/Pipelines.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace llmc;

passes::PassList passes::inferencePasses(const InferencePipelineOptions &options) {
  PassList list;
  // Equal layers become one function, so that all that follows is done once for them.
  list.push_back(createCanonicalizerPass());
  list.push_back(createCSEPass());
  list.push_back(createShareFunctions());

  // A step computes its own tokens only.
  list.push_back(createAddKvCache({options.cacheType}));

  // In which numbers products are computed, and with how many of them.
  list.push_back(createSetComputeType({options.computeType, options.bf16Inputs}));
  list.push_back(createMergeLinears());
  if (options.quantizeActivations)
    list.push_back(createQuantizeActivations({options.activationBits}));

  // What does not depend on the layer's input leaves the layer, and what depends on parameters only leaves
  // the program.
  list.push_back(createExpandRope());
  list.push_back(createHoistInvariants());
  list.push_back(createCSEPass());
  list.push_back(createMaterializeParams());
  list.push_back(createCanonicalizerPass());

  // Kernels.
  list.push_back(createFuse());
  return list;
}

passes::PassList passes::trainingPasses(const TrainingPipelineOptions &options) {
  PassList list;
  // One flat function: what is kept for the backward part, and for how long, is then plain.
  list.push_back(createInlinerPass());
  list.push_back(createExpandRope());
  list.push_back(createFixRows({options.rows}));
  list.push_back(createCanonicalizerPass());
  list.push_back(createCSEPass());
  list.push_back(createDifferentiate());

  // Formulas, each where its result is read.
  list.push_back(createDecompose());
  list.push_back(createConvertElementwiseToLinalgPass());
  list.push_back(createCanonicalizerPass());
  list.push_back(createCSEPass());
  if (options.bf16Products || options.f16Products)
    list.push_back(createRoundProducts({/*half=*/options.f16Products}));
  list.push_back(createFuseStructured());
  list.push_back(createCanonicalizerPass());
  list.push_back(createCSEPass());
  return list;
}

void passes::addPasses(OpPassManager &manager, PassList list) {
  for (std::unique_ptr<Pass> &pass : list)
    manager.addPass(std::move(pass));
}

void passes::registerPipelines() {
  PassPipelineRegistration<InferencePipelineOptions>(
      "nn-inference", "From an imported model to the kernels of inference",
      [](OpPassManager &manager, const InferencePipelineOptions &options) {
        addPasses(manager, inferencePasses(options));
      });
  PassPipelineRegistration<TrainingPipelineOptions>(
      "nn-training", "From a loss to the structured operations of its gradients",
      [](OpPassManager &manager, const TrainingPipelineOptions &options) {
        addPasses(manager, trainingPasses(options));
      });
}

namespace llmc::passes {
namespace {
#define GEN_PASS_REGISTRATION
#include "passes/Passes.h.inc"
} // namespace
} // namespace llmc::passes

void passes::registerLlmcPasses() {
  registerLlmcTablegenPasses();
  registerPipelines();
}
