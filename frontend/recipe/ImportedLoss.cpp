//===- ImportedLoss.cpp - the loss of an imported model --------------------------------------------------===//
//
// What the importer builds for inference is what training differentiates, with three changes: all rows have
// outputs, sequences lie one behind the other, and parameters are f32. Of a head for whole texts only the
// first token's outputs have targets, so that many texts share a sequence. An encoder and a decoder become
// one function (SourceAttention.cpp).
//
//===------------------------------------------------------------------------------------------------===//

#include "absl/strings/str_cat.h"
#include "dialects/nn/NN.h"
#include "frontend/import/GraphBuilder.h"
#include "frontend/recipe/LossFunction.h"
#include "frontend/recipe/TrainingGraph.h"
#include "frontend/spec/ParameterAttributes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include "train/Recipe.h"

using namespace mlir;
using namespace llmc;

namespace llmc::recipe {

namespace {

class ImportedLoss {
public:
  ImportedLoss(frontend::ImportedModel &model, const train::Objective &objective,
               const train::BatchSize &batch)
      : model(model), objective(objective), batch(batch), module(*model.module),
        b(module.getLoc(), module.getContext()) {}

  absl::Status take() {
    const bool hasSource = model.info.startToken.has_value();
    if (hasSource && !objective.has_sequence_to_sequence())
      return refuse("has an encoder and a decoder, expected objective.sequence_to_sequence");
    if (!hasSource && objective.has_sequence_to_sequence())
      return refuse("reads no source, expected a model with an encoder and a decoder");
    const bool isNextToken =
        objective.kind_case() == train::Objective::KIND_NOT_SET || objective.has_preference();
    if (isNextToken && model.info.kind != frontend::ModelKind::Generate)
      return refuse("predicts no next token, expected an objective for an encoder");
    if (objective.has_contrastive() && model.info.kind != frontend::ModelKind::Embed)
      return refuse("has no embeddings of texts, which objective.contrastive needs; expected an encoder");
    PassManager manager(module.getContext());
    manager.addPass(createInlinerPass());
    if (failed(manager.run(module)))
      return absl::InternalError("layers of a model cannot be inlined");
    function = module.lookupSymbol<func::FuncOp>("forward");
    if (!function.getOps<nn::ExpertsOp>().empty())
      return refuse("has experts, which cannot be trained yet");
    function.setName("loss");
    if (absl::Status status = widenParameters(); !status.ok())
      return status;
    const Type ids = function.getArgument(0).getType();
    for (auto each : module.getOps<func::FuncOp>())
      useBiasByDistance(each);
    if (hasSource)
      joinEncoder(function, batch);
    Value segments = addInput(function, "segments", ids);
    useAllRows();
    for (auto attention : function.getOps<nn::AttentionOp>()) {
      if (isNextToken && !attention.getCausal())
        return refuse("has attention that is not causal: it predicts no next token, which training needs");
      if (attention.getSegments()) // of a source
        continue;
      attention.getSegmentsMutable().assign(segments);
      attention->setAttr(nn::kSequenceRowsAttribute, b.getI64IntegerAttr(batch.length()));
    }
    auto terminator = cast<func::ReturnOp>(function.front().getTerminator());
    b.setInsertionPoint(terminator);
    Value outputs = terminator.getOperand(0);
    absl::StatusOr<Value> losses = buildLosses(outputs, ids);
    if (!losses.ok())
      return refuse(losses.status().message());
    terminator.setOperand(0, *losses);
    function.setFunctionType(b.getFunctionType(function.front().getArgumentTypes(), losses->getType()));
    function.setResultAttr(0, "nn.output", b.getStringAttr("losses"));
    return succeeded(verify(module)) ? absl::OkStatus()
                                     : absl::InternalError("the loss of an imported model is no valid graph");
  }

private:
  absl::Status refuse(absl::string_view why) {
    return absl::UnimplementedError(
        absl::StrCat(model.source->path(), ": ", model.info.architecture, " ", why));
  }

  absl::StatusOr<Value> buildLosses(Value outputs, Type ids) {
    if (objective.has_regression())
      return squaredError(outputs);
    if (objective.has_contrastive()) {
      const frontend::Pooling pooling = model.info.pooling.value_or(frontend::Pooling());
      return buildContrastiveLoss(function, outputs,
                                  {int64_t{batch.sequences()}, train::groupSizeOf(objective),
                                   objective.contrastive().temperature(), pooling.mode},
                                  b);
    }
    Value targets = addInput(function, "targets", ids);
    return Value(nn::CrossEntropyOp::create(b, outputs, targets, b.getF64FloatAttr(0)));
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
      if (param->hasAttr(frontend::kNewParameter))
        initialize(param);
      if (const frontend::StoredTensor *stored = model.source->find(param.getSymName()))
        describe(param, *stored);
    }
    for (auto each : module.getOps<func::FuncOp>())
      for (auto load : each.getOps<nn::LoadOp>())
        load.getResult().setType(cast<nn::ParamOp>(module.lookupSymbol(load.getParam())).getType());
    return absl::OkStatus();
  }

  /// Says how `param` lies in checkpoints, and whether it is trained.
  void describe(nn::ParamOp param, const frontend::StoredTensor &stored) {
    if (stored.isAdded) {
      const auto *numbers = reinterpret_cast<const float *>(stored.bytes.data());
      param->setAttr(kContentsAttribute,
                     DenseElementsAttr::get(cast<RankedTensorType>(param.getType()),
                                            ArrayRef(numbers, stored.bytes.size() / sizeof(float))));
    }
    if (stored.isTransposed)
      param->setAttr(spec::kTransposedAttribute, b.getUnitAttr());
    if (stored.isRow)
      param->setAttr(kRowAttribute, b.getUnitAttr());
    if (stored.isConstant)
      param->setAttr(nn::kFrozenAttribute, b.getUnitAttr());
    if (!stored.nameInFile.empty())
      param->setAttr(kFirstNameAttribute, b.getStringAttr(stored.nameInFile));
    if (stored.droppedRows == 0)
      return;
    // Tables of positions are whole again, as checkpoints have them, and positions begin further on.
    auto type = cast<RankedTensorType>(param.getType());
    param.setType(
        RankedTensorType::get({type.getDimSize(0) + stored.droppedRows, type.getDimSize(1)}, b.getF32Type()));
    model.info.sizes.firstPosition = stored.droppedRows;
  }

  /// Biases of relative positions are read by distance: tokens of a sequence are as far from each other as
  /// their rows.
  void useBiasByDistance(func::FuncOp function) {
    for (auto attention : function.getOps<nn::AttentionOp>())
      if (auto relative = attention.getBias()
                              ? attention.getBias().getDefiningOp<nn::RelativePositionBiasOp>()
                              : nn::RelativePositionBiasOp()) {
        b.setInsertionPoint(attention);
        attention.getBiasMutable().assign(relative.buildBiasByDistance(b));
        attention.setByDistance(true);
        if (relative->use_empty())
          relative.erase();
      }
  }

  /// As the authors of BERT did.
  void initialize(nn::ParamOp param) {
    const bool isMatrix = cast<RankedTensorType>(param.getType()).getRank() > 1;
    const bool isNorm = !isMatrix && param.getSymName().ends_with(".weight");
    if (isMatrix)
      param->setAttr(spec::kDeviationAttribute, b.getF64FloatAttr(0.02));
    else
      param->setAttr(spec::kValueAttribute, b.getF64FloatAttr(isNorm ? 1 : 0));
  }

  /// The squared differences of the outputs from numbers, in rows that have one; 0 in others.
  Value squaredError(Value outputs) {
    Value numbers = addInput(function, "numbers", outputs.getType()),
          weights = addInput(function, "weights", outputs.getType());
    Value difference = arith::SubFOp::create(b, outputs, numbers);
    Value square = arith::MulFOp::create(b, difference, difference);
    return arith::MulFOp::create(b, square, weights);
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
  const train::Objective &objective;
  const train::BatchSize &batch;
  ModuleOp module;
  func::FuncOp function;
  ImplicitLocOpBuilder b;
};

} // namespace

std::optional<frontend::HeadChoice> headToTrain(const train::Objective &objective) {
  using frontend::HeadTask;
  frontend::HeadChoice choice;
  choice.toTrain = true;
  switch (objective.kind_case()) {
  case train::Objective::KIND_NOT_SET:
  case train::Objective::kContrastive:
  case train::Objective::kPreference:
  case train::Objective::kSequenceToSequence:
    return std::nullopt;
  case train::Objective::kMaskedTokens:
    choice.task = HeadTask::MaskedTokens;
    break;
  case train::Objective::kSequenceClassification:
    choice.task = HeadTask::SequenceClassification;
    choice.labels.assign(objective.sequence_classification().names().begin(),
                         objective.sequence_classification().names().end());
    break;
  case train::Objective::kTokenClassification:
    choice.task = HeadTask::TokenClassification;
    choice.labels.assign(objective.token_classification().names().begin(),
                         objective.token_classification().names().end());
    break;
  case train::Objective::kRegression:
    choice.task = HeadTask::SequenceClassification;
    choice.problem = frontend::Head::Problem::Regression;
    choice.labels = {"LABEL_0"};
    break;
  }
  return choice;
}

absl::StatusOr<OwningOpRef<ModuleOp>>
takeLoss(frontend::ImportedModel &model, const train::Objective &objective, const train::BatchSize &batch) {
  if (absl::Status status = ImportedLoss(model, objective, batch).take(); !status.ok())
    return status;
  return std::move(model.module);
}

} // namespace llmc::recipe
