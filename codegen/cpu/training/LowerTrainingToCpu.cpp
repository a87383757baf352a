//===- LowerTrainingToCpu.cpp - training steps for processors -----------------------------------------===//

#include "codegen/cpu/Passes.h"
#include "codegen/cpu/training/TrainingKernel.h"
#include "mlir/Dialect/AMX/AMXDialect.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "passes/NotSupported.h"
#include "passes/NumericBound.h"

using namespace mlir;

namespace llmc::codegen {

#define GEN_PASS_DEF_LOWERTRAININGTOCPU
#include "codegen/cpu/Passes.h.inc"

LogicalResult CpuTrainingLowering::checkType(Operation *op, ShapedType type) {
  // LLVM would call functions of a library to round what is not a whole vector.
  if (type.getElementType().isBF16() && !target.hasBf16Dot)
    return emitNotSupported(op) << "has numbers of bf16, which training supports on processors with "
                                   "avx512bf16 only, not on "
                                << target.cpu;
  if (type.getElementType().isF16() && !target.hasF16Conversion)
    return emitNotSupported(op)
           << "has numbers of f16, which training supports on processors with f16c only, not on "
           << target.cpu;
  return success();
}

namespace {

class LowerTrainingToCpu : public impl::LowerTrainingToCpuBase<LowerTrainingToCpu>,
                           public NumericallyBounded {
public:
  using LowerTrainingToCpuBase::LowerTrainingToCpuBase;

  explicit LowerTrainingToCpu(const Target &target) : given(target) { targetCpu = target.cpu; }

  NumericBound getNumericBound() const override {
    return NumericBound::relative(1e-5, "sums are taken in another order, with fused multiply-adds");
  }

  LogicalResult initialize(MLIRContext *mlirContext) override {
    if (given)
      return success();
    absl::StatusOr<Target> found = getTarget(targetCpu);
    if (!found.ok())
      return emitError(UnknownLoc::get(mlirContext)) << std::string(found.status().message());
    given = *std::move(found);
    return success();
  }

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto make = [&](ModuleOp program, StringRef step, OpBuilder &builder) {
      return std::make_unique<CpuTrainingLowering>(program, step, builder, *given);
    };
    if (failed(lowerTrainingSteps(module, make)))
      return signalPassFailure();
    Builder builder(&getContext());
    module->setAttr(kTargetAttribute, builder.getStringAttr(given->cpu));
    SmallVector<StringRef> features(given->features.begin(), given->features.end());
    module->setAttr(kTargetFeaturesAttribute, builder.getStrArrayAttr(features));
  }

private:
  std::optional<Target> given;
};

} // namespace

std::unique_ptr<Pass> createLowerTrainingToCpuPass(const Target &target) {
  return std::make_unique<LowerTrainingToCpu>(target);
}

} // namespace llmc::codegen
