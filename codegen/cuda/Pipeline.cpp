//===- Pipeline.cpp - the stages below nn for NVIDIA GPUs ----------------------------------------------===//

#include "codegen/cuda/Pipeline.h"

#include "codegen/cpu/Passes.h"
#include "codegen/cpu/Pipeline.h"
#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/MemRefToLLVM/MemRefToLLVM.h"
#include "mlir/Conversion/UBToLLVM/UBToLLVM.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVM.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/NVGPU/IR/NVGPUDialect.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

namespace llmc::codegen {

namespace {
#define GEN_PASS_REGISTRATION
#include "codegen/cuda/Passes.h.inc"
} // namespace

passes::PassList cudaTiledPasses(const Target &host, const StepSizes &sizes, bool streamWeights) {
  passes::PassList list;
  list.push_back(createLowerToCudaPass(host, sizes, streamWeights));
  list.push_back(createCanonicalizerPass());
  list.push_back(createCSEPass());
  list.push_back(createPlanArena());
  return list;
}

passes::PassList cudaTiledTrainingPasses(bool bf16Attention, const ProductTiles &tiles) {
  passes::PassList list;
  list.push_back(createLowerTrainingToCuda({bf16Attention, tiles.columns, tiles.parts}));
  list.push_back(createCanonicalizerPass());
  list.push_back(createCSEPass());
  list.push_back(createMergeKernels());
  list.push_back(createPlanArena());
  return list;
}

passes::PassList cudaLlvmPasses() {
  passes::PassList list;
  list.push_back(createApproximateMath());
  list.push_back(createLowerKernels());
  list.push_back(createLaunchesToCalls());
  appendHostPasses(list);
  list.push_back(createDefineLaunchers());
  list.push_back(createStepEntry());
  return list;
}

void registerCudaPasses() { registerCudaTablegenPasses(); }

void registerCudaDialects(DialectRegistry &registry) {
  registry.insert<gpu::GPUDialect, nvgpu::NVGPUDialect, NVVM::NVVMDialect>();
  // What convert-gpu-to-nvvm asks these dialects for.
  arith::registerConvertArithToLLVMInterface(registry);
  cf::registerConvertControlFlowToLLVMInterface(registry);
  registerConvertMathToLLVMInterface(registry);
  registerConvertMemRefToLLVMInterface(registry);
  ub::registerConvertUBToLLVMInterface(registry);
  vector::registerConvertVectorToLLVMInterface(registry);
}

} // namespace llmc::codegen
