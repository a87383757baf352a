//===- Pipeline.cpp - the stages below nn ------------------------------------------------------------===//

#include "codegen/cpu/Pipeline.h"

#include "codegen/cpu/Passes.h"
#include "codegen/cpu/StepForm.h"
#include "dialects/nn/NN.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/AMX/AMXDialect.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/Transforms/Passes.h"
#include "mlir/Dialect/Index/IR/IndexDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Target/LLVMIR/Dialect/All.h"
#include "mlir/Transforms/Passes.h"
#include "passes/NumericBound.h"
#include "runtime/core/StepAbi.h"
#include <cstddef>

using namespace mlir;

namespace llmc::codegen {

#define GEN_PASS_DEF_STEPENTRY
#define GEN_PASS_REGISTRATION
#include "codegen/cpu/Passes.h.inc"

namespace {

/// Names of a step's memory in the order of StepArgument, with their offsets in LlmcStep.
struct StepField {
  StepArgument argument;
  int64_t offset;
};
constexpr StepField kStepFields[] = {{kRows, offsetof(LlmcStep, rows)},
                                     {kOutputRows, offsetof(LlmcStep, output_rows)},
                                     {kTokens, offsetof(LlmcStep, tokens)},
                                     {kPositions, offsetof(LlmcStep, positions)},
                                     {kTokenTypes, offsetof(LlmcStep, token_types)},
                                     {kOutputIds, offsetof(LlmcStep, output_ids)},
                                     {kWeights, offsetof(LlmcStep, weights)},
                                     {kCache, offsetof(LlmcStep, cache)},
                                     {kCacheOffsets, offsetof(LlmcStep, cache_offsets)},
                                     {kOutput, offsetof(LlmcStep, output)}};
constexpr int64_t kArenaOffset = offsetof(LlmcStep, arena);

class StepEntry : public impl::StepEntryBase<StepEntry>, public NumericallyBounded {
public:
  NumericBound getNumericBound() const override { return NumericBound::exact(); }

  void runOnOperation() override {
    ModuleOp module = getOperation();
    if (failed(verifyStepForm(module, StepForm::Llvm)))
      return signalPassFailure();
    // What other libraries of a process call their functions must not matter: only the entries are seen.
    for (auto function : module.getOps<LLVM::LLVMFuncOp>())
      if (!function.isExternal())
        function.setLinkage(LLVM::Linkage::Internal);
    for (auto step : llvm::make_early_inc_range(module.getOps<LLVM::LLVMFuncOp>()))
      if (auto name = step->getAttrOfType<StringAttr>(kStepAttribute))
        addEntry(module, step, name.getValue());
  }

private:
  void addEntry(ModuleOp module, LLVM::LLVMFuncOp step, StringRef name) {
    OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
    Location loc = step.getLoc();
    auto pointer = LLVM::LLVMPointerType::get(module.getContext());
    auto type = LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(module.getContext()), {pointer, pointer});
    auto entry = LLVM::LLVMFuncOp::create(builder, loc, stepSymbol(name), type);
    builder.setInsertionPointToStart(entry.addEntryBlock(builder));
    auto field = [&](int64_t offset, Type fieldType) -> Value {
      Value address = LLVM::GEPOp::create(builder, loc, pointer, builder.getI8Type(), entry.getArgument(0),
                                          ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(offset)});
      return LLVM::LoadOp::create(builder, loc, fieldType, address);
    };
    SmallVector<Value> operands;
    if (auto names = step->getAttrOfType<ArrayAttr>(kOperandsAttribute)) {
      Value table = field(offsetof(LlmcStep, operands), pointer);
      for (int32_t index = 0; index < static_cast<int32_t>(names.size()); ++index) {
        Value address =
            LLVM::GEPOp::create(builder, loc, pointer, pointer, table, ArrayRef<LLVM::GEPArg>{index});
        operands.push_back(LLVM::LoadOp::create(builder, loc, pointer, address));
      }
    } else {
      operands.resize(kStepArguments);
      for (const StepField &stepField : kStepFields)
        operands[stepField.argument] =
            field(stepField.offset, step.getArgument(stepField.argument).getType());
    }
    operands.push_back(field(kArenaOffset, pointer));
    operands.push_back(entry.getArgument(1));
    LLVM::CallOp::create(builder, loc, step, operands);
    LLVM::ReturnOp::create(builder, loc, ValueRange{});
  }
};

} // namespace

std::string stepSymbol(StringRef step) { return ("llmc_step_" + step).str(); }

passes::PassList tiledPasses(const Target &target, const StepSizes &sizes) {
  passes::PassList list;
  list.push_back(createLowerToCpuPass(target, sizes));
  list.push_back(createCanonicalizerPass());
  list.push_back(createCSEPass());
  // Kernels that came out equal are one.
  list.push_back(func::createDuplicateFunctionEliminationPass());
  list.push_back(createPlanArena());
  return list;
}

passes::PassList tiledTrainingPasses(const Target &target) {
  passes::PassList list;
  list.push_back(createLowerTrainingToCpuPass(target));
  list.push_back(createCanonicalizerPass());
  list.push_back(createCSEPass());
  list.push_back(func::createDuplicateFunctionEliminationPass());
  list.push_back(createPlanArena());
  return list;
}

void appendHostPasses(passes::PassList &list) {
  list.push_back(createConvertVectorToSCFPass(VectorTransferToSCFOptions().enableFullUnroll()));
  list.push_back(createSCFToControlFlowPass());
  list.push_back(memref::createExpandStridedMetadataPass());
  list.push_back(createLowerAffinePass());
  ConvertVectorToLLVMPassOptions vectors;
  vectors.amx = true;
  list.push_back(createConvertVectorToLLVMPass(vectors));
  list.push_back(createFinalizeMemRefToLLVMConversionPass());
  list.push_back(createConvertMathToLLVMPass());
  ConvertFuncToLLVMPassOptions functions;
  functions.useBarePtrCallConv = true;
  list.push_back(createConvertFuncToLLVMPass(functions));
  list.push_back(createArithToLLVMConversionPass());
  list.push_back(createConvertIndexToLLVMPass());
  list.push_back(createConvertControlFlowToLLVMPass());
  list.push_back(createUBToLLVMConversionPass());
  list.push_back(createReconcileUnrealizedCastsPass());
}

passes::PassList llvmPasses() {
  passes::PassList list;
  list.push_back(createForallToSpmd());
  list.push_back(createApproximateMath());
  appendHostPasses(list);
  list.push_back(createStepEntry());
  return list;
}

void registerCpuPasses() { registerCpuTablegenPasses(); }

void registerCpuDialects(DialectRegistry &registry) {
  // Those of operations that exist between two passes only, too: a program may be read there.
  registry.insert<nn::NNDialect, affine::AffineDialect, amx::AMXDialect, arith::ArithDialect,
                  cf::ControlFlowDialect, func::FuncDialect, index::IndexDialect, LLVM::LLVMDialect,
                  math::MathDialect, memref::MemRefDialect, scf::SCFDialect, ub::UBDialect,
                  vector::VectorDialect>();
  registerAllToLLVMIRTranslations(registry);
}

} // namespace llmc::codegen
