//===- LowerTrainingToCuda.cpp - training steps for GPUs -------------------------------------------------===//

#include "codegen/cuda/Passes.h"
#include "codegen/cuda/training/CudaTrainingLowering.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/NVGPU/IR/NVGPUDialect.h"
#include "passes/NumericBound.h"

using namespace mlir;

namespace llmc::codegen {

#define GEN_PASS_DEF_LOWERTRAININGTOCUDA
#include "codegen/cuda/Passes.h.inc"

namespace {

class LowerTrainingToCuda : public impl::LowerTrainingToCudaBase<LowerTrainingToCuda>,
                            public NumericallyBounded {
public:
  using LowerTrainingToCudaBase::LowerTrainingToCudaBase;

  NumericBound getNumericBound() const override {
    return bf16Attention
               ? NumericBound::relative(0.02, "operands of attention's products are rounded to bf16")
               : NumericBound::relative(1e-5, "sums are taken in another order, with fused "
                                              "multiply-adds");
  }

  void runOnOperation() override {
    Builder types(&getContext());
    Type attention = bf16Attention ? Type(types.getBF16Type()) : Type(types.getF32Type());
    auto make = [&](ModuleOp program, StringRef step, OpBuilder &builder) {
      return std::make_unique<CudaTrainingLowering>(program, step, builder, attention, tileColumns,
                                                    tileParts);
    };
    if (failed(lowerTrainingSteps(getOperation(), make)))
      signalPassFailure();
  }
};

} // namespace

} // namespace llmc::codegen
