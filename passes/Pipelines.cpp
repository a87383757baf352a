//===- Pipelines.cpp - the table of contents of the compiler, above the target -----------------------===//

#include "passes/Pipelines.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace llmc;

void passes::buildInferencePipeline(OpPassManager &manager, const InferencePipelineOptions &options) {
  // Equal layers become one function, so that all that follows is done once for them.
  manager.addPass(createCanonicalizerPass());
  manager.addPass(createCSEPass());
  manager.addPass(createShareFunctions());

  // A step computes its own tokens only.
  manager.addPass(createAddKvCache({options.cacheType}));

  // In which numbers products are computed, and with how many of them.
  manager.addPass(createSetComputeType({options.computeType}));
  manager.addPass(createMergeLinears());
  if (options.quantizeActivations)
    manager.addPass(createQuantizeActivations({options.activationBits}));

  // What does not depend on the layer's input leaves the layer, and what depends on parameters only leaves
  // the program.
  manager.addPass(createExpandRope());
  manager.addPass(createHoistInvariants());
  manager.addPass(createCSEPass());
  manager.addPass(createMaterializeParams());
  manager.addPass(createCanonicalizerPass());

  // Kernels.
  manager.addPass(createFuse());
}

void passes::registerPipelines() {
  PassPipelineRegistration<InferencePipelineOptions>(
      "nn-inference", "From an imported model to the kernels of inference", buildInferencePipeline);
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
