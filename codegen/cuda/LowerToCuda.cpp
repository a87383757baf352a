//===- LowerToCuda.cpp - from fused nn to GPU kernels and steps ----------------------------------------===//

#include "codegen/cuda/CudaKernelLowering.h"
#include "codegen/cuda/Passes.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/NVGPU/IR/NVGPUDialect.h"
#include "passes/NumericBound.h"

using namespace mlir;

namespace llmc::codegen {

#define GEN_PASS_DEF_LOWERTOCUDA
#include "codegen/cuda/Passes.h.inc"

namespace {

class LowerToCuda : public impl::LowerToCudaBase<LowerToCuda>, public NumericallyBounded {
public:
  using LowerToCudaBase::LowerToCudaBase;

  LowerToCuda(const Target &host, const StepSizes &sizes, bool streams) : host(host) {
    context = sizes.context;
    maxRows = sizes.maxRows;
    streamWeights = streams;
  }

  NumericBound getNumericBound() const override {
    return NumericBound::relative(1e-5, "sums are taken in another order, with fused multiply-adds");
  }

  void runOnOperation() override {
    CudaKernelLowering kernels;
    kernels.streamsWeights = streamWeights;
    Target target = host ? *host : *getTarget("x86-64");
    target.lanes = CudaKernelLowering::lanes;
    if (failed(lowerToSteps(getOperation(), kernels, target, {maxRows, context})))
      signalPassFailure();
  }

private:
  std::optional<Target> host;
};

} // namespace

std::unique_ptr<Pass> createLowerToCudaPass(const Target &host, const StepSizes &sizes, bool streamWeights) {
  return std::make_unique<LowerToCuda>(host, sizes, streamWeights);
}

} // namespace llmc::codegen
