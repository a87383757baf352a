//===- ImportedLoss.cpp - the loss of an imported decoder ------------------------------------------------===//
//
// What the importer builds for inference is what training differentiates, with three changes: all rows have
// logits, sequences lie one behind the other, and parameters are f32.
//
//===------------------------------------------------------------------------------------------------===//

#include "absl/strings/str_cat.h"
#include "dialects/nn/NN.h"
#include "frontend/recipe/TrainingGraph.h"
#include "frontend/spec/BuildModel.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace llmc;

namespace llmc::recipe {

namespace {

class ImportedLoss {
public:
  ImportedLoss(frontend::ImportedModel &model, int64_t length)
      : model(model), length(length), module(*model.module), b(module.getLoc(), module.getContext()) {}

  absl::Status take() {
    if (model.info.kind != frontend::ModelKind::Generate)
      return refuse("predicts no next token, which training needs");
    PassManager manager(module.getContext());
    manager.addPass(createInlinerPass());
    if (failed(manager.run(module)))
      return absl::InternalError("layers of a model cannot be inlined");
    function = module.lookupSymbol<func::FuncOp>("forward");
    function.setName("loss");
    if (absl::Status status = widenParameters(); !status.ok())
      return status;
    Value segments = addInput("segments"), targets = addInput("targets");
    useAllRows();
    for (auto attention : function.getOps<nn::AttentionOp>()) {
      if (!attention.getCausal())
        return refuse("has attention that is not causal: it predicts no next token, which training needs");
      attention.getSegmentsMutable().assign(segments);
      attention->setAttr(nn::kSequenceRowsAttribute, b.getI64IntegerAttr(length));
    }
    auto terminator = cast<func::ReturnOp>(function.front().getTerminator());
    b.setInsertionPoint(terminator);
    Value losses = nn::CrossEntropyOp::create(b, terminator.getOperand(0), targets);
    terminator.setOperand(0, losses);
    function.setFunctionType(b.getFunctionType(function.front().getArgumentTypes(), losses.getType()));
    function.setResultAttr(0, "nn.output", b.getStringAttr("losses"));
    return succeeded(verify(module)) ? absl::OkStatus()
                                     : absl::InternalError("the loss of an imported model is no valid graph");
  }

private:
  absl::Status refuse(absl::string_view why) {
    return absl::UnimplementedError(
        absl::StrCat(model.source->path(), ": ", model.info.architecture, " ", why));
  }

  /// Steps of an optimizer are smaller than what 16 bits can hold.
  absl::Status widenParameters() {
    for (auto param : module.getOps<nn::ParamOp>()) {
      auto type = cast<RankedTensorType>(param.getType());
      if (!isa<FloatType>(type.getElementType()))
        return absl::UnimplementedError(absl::StrCat(model.source->path(), ": tensor '",
                                                     param.getSymName().str(),
                                                     "' is quantized, expected numbers to train"));
      param.setType(type.clone(b.getF32Type()));
      if (const frontend::StoredTensor *stored = model.source->find(param.getSymName());
          stored && stored->isTransposed)
        param->setAttr(spec::kTransposedAttribute, b.getUnitAttr());
    }
    for (auto load : function.getOps<nn::LoadOp>())
      load.getResult().setType(cast<RankedTensorType>(load.getType()).clone(b.getF32Type()));
    return absl::OkStatus();
  }

  Value addInput(StringRef name) {
    const unsigned index = function.getNumArguments();
    (void)function.insertArgument(index, function.getArgument(0).getType(),
                                  b.getDictionaryAttr(b.getNamedAttr("nn.input", b.getStringAttr(name))),
                                  function.getLoc());
    return function.getArgument(index);
  }

  /// Drops the choice of rows whose logits are wanted.
  void useAllRows() {
    for (unsigned i = 0; i < function.getNumArguments(); ++i) {
      auto name = function.getArgAttrOfType<StringAttr>(i, "nn.input");
      if (!name || name.getValue() != "output_ids")
        continue;
      for (Operation *user : llvm::make_early_inc_range(function.getArgument(i).getUsers()))
        if (auto select = dyn_cast<nn::SelectRowsOp>(user)) {
          select.replaceAllUsesWith(select.getInput());
          select.erase();
        }
      (void)function.eraseArgument(i);
      return;
    }
  }

  frontend::ImportedModel &model;
  const int64_t length;
  ModuleOp module;
  func::FuncOp function;
  ImplicitLocOpBuilder b;
};

} // namespace

absl::StatusOr<OwningOpRef<ModuleOp>> takeLoss(frontend::ImportedModel &model, int64_t length) {
  if (absl::Status status = ImportedLoss(model, length).take(); !status.ok())
    return status;
  return std::move(model.module);
}

} // namespace llmc::recipe
