//===- LowerKernels.cpp - from kernels on memrefs to NVVM ----------------------------------------------===//

#include "codegen/cuda/GpuKernel.h"
#include "codegen/cuda/Passes.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "mlir/Transforms/Passes.h"
#include "passes/NumericBound.h"

using namespace mlir;

namespace llmc::codegen {

#define GEN_PASS_DEF_LOWERKERNELS
#include "codegen/cuda/Passes.h.inc"

namespace {

/// Upstream makes calls into a library of CUDA's toolkit of functions of math. LLVM has instructions for
/// these.
template <typename Op> struct UseIntrinsic : OpRewritePattern<Op> {
  UseIntrinsic(MLIRContext *context, StringRef name) : OpRewritePattern<Op>(context), name(name) {}
  LogicalResult matchAndRewrite(Op op, PatternRewriter &rewriter) const override {
    rewriter.replaceOpWithNewOp<LLVM::CallIntrinsicOp>(op, op.getType(), rewriter.getStringAttr(name),
                                                       op->getOperands());
    return success();
  }
  StringRef name;
};

class UseIntrinsics : public PassWrapper<UseIntrinsics, OperationPass<gpu::GPUModuleOp>> {
public:
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(UseIntrinsics)

  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<UseIntrinsic<math::SqrtOp>>(&getContext(), "llvm.sqrt");
    patterns.add<UseIntrinsic<math::AbsFOp>>(&getContext(), "llvm.fabs");
    patterns.add<UseIntrinsic<math::FloorOp>>(&getContext(), "llvm.floor");
    patterns.add<UseIntrinsic<math::CopySignOp>>(&getContext(), "llvm.copysign");
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

class LowerKernels : public impl::LowerKernelsBase<LowerKernels>, public NumericallyBounded {
public:
  NumericBound getNumericBound() const override { return NumericBound::exact(); }

  void runOnOperation() override {
    OpPassManager kernels(gpu::GPUModuleOp::getOperationName());
    auto simplify = [&] {
      kernels.addPass(createCanonicalizerPass());
      kernels.addPass(createCSEPass());
    };
    simplify();
    // Indices are 64 bits wide, of which GPUs make two instructions each.
    kernels.addPass(arith::createIntRangeOptimizationsPass());
    arith::ArithIntRangeNarrowingOptions narrowing;
    narrowing.bitwidthsSupported = {32};
    kernels.addPass(arith::createArithIntRangeNarrowing(narrowing));
    simplify();
    kernels.addPass(createConvertNVGPUToNVVMPass());
    kernels.addPass(createConvertVectorToSCFPass(VectorTransferToSCFOptions().enableFullUnroll()));
    kernels.addPass(createSCFToControlFlowPass());
    kernels.addPass(memref::createExpandStridedMetadataPass());
    kernels.addPass(createLowerAffinePass());
    kernels.addPass(std::make_unique<UseIntrinsics>());
    ConvertGpuOpsToNVVMOpsOptions options;
    options.useBarePtrCallConv = true;
    kernels.addPass(createConvertGpuOpsToNVVMOps(options));
    kernels.addPass(createConvertVectorToLLVMPass());
    simplify();
    kernels.addPass(createReconcileUnrealizedCastsPass());
    for (auto module : getOperation().getOps<gpu::GPUModuleOp>()) {
      if (failed(runPipeline(kernels, module)))
        return signalPassFailure();
      for (auto kernel : module.getOps<LLVM::LLVMFuncOp>())
        completeKernel(kernel);
      // Upstream makes shared memory of launches a variable without a size, beside which others could lie. It
      // is the only one here, and matrix instructions of warpgroups want multiples of 1024 bytes.
      constexpr int64_t kAlignment = 1024;
      for (auto global : module.getOps<LLVM::GlobalOp>()) {
        global.setLinkage(LLVM::Linkage::External);
        global.setAlignment(kAlignment);
      }
    }
  }

private:
  static void completeKernel(LLVM::LLVMFuncOp kernel) {
    takeTensorMaps(kernel);
    WalkResult found = kernel.walk([](NVVM::GriddepcontrolOp) { return WalkResult::interrupt(); });
    if (found.wasInterrupted())
      return;
    OpBuilder builder = OpBuilder::atBlockBegin(&kernel.getBody().front());
    for (auto action : {NVVM::GridDepActionKind::launch_dependents, NVVM::GridDepActionKind::wait})
      NVVM::GriddepcontrolOp::create(builder, kernel.getLoc(), action);
  }

  /// Tensor maps are arguments by value, which the copy engine reads where they are.
  static void takeTensorMaps(LLVM::LLVMFuncOp kernel) {
    auto maps = kernel->getAttrOfType<ArrayAttr>(kTensorMapsAttribute);
    if (!maps)
      return;
    constexpr int64_t kAlignment = 64;
    Builder builder(kernel.getContext());
    auto type = LLVM::LLVMArrayType::get(builder.getI64Type(), kTensorMapWords);
    for (auto map : maps.getAsRange<DenseI64ArrayAttr>()) {
      const auto number = static_cast<unsigned>(map[0]);
      kernel.setArgAttr(number, LLVM::LLVMDialect::getByValAttrName(), TypeAttr::get(type));
      kernel.setArgAttr(number, LLVM::LLVMDialect::getAlignAttrName(), builder.getI64IntegerAttr(kAlignment));
      kernel.setArgAttr(number, NVVM::NVVMDialect::getGridConstantAttrName(), builder.getUnitAttr());
    }
  }
};

} // namespace

} // namespace llmc::codegen
