//===- TrainingGraph.cpp - a recipe as nn --------------------------------------------------------------===//

#include "frontend/recipe/TrainingGraph.h"

#include "absl/strings/str_cat.h"
#include "frontend/recipe/LossFunction.h"
#include "frontend/recipe/OperationNames.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;

namespace llmc::recipe {

/// Whether evaluations count how often the largest output is right.
static bool isRightOrWrong(const train::Objective &objective) {
  return objective.has_sequence_classification() || objective.has_token_classification() ||
         objective.has_contrastive() || objective.has_preference();
}

/// Whether `reference` reads what `learner` reads. Both are losses already.
static absl::Status checkInputs(const frontend::ImportedModel &reference,
                                const frontend::ImportedModel &learner) {
  auto refuse = [&](absl::string_view what, int64_t found, int64_t expected) {
    return absl::UnimplementedError(absl::StrCat(reference.source->path(), ": has ", what, " ", found,
                                                 ", expected ", expected, " as in the model that learns"));
  };
  const int64_t first = learner.info.sizes.firstPosition;
  if (reference.info.sizes.firstPosition != first)
    return refuse("positions that begin with", reference.info.sizes.firstPosition, first);
  // Both have a source, or none: the objective asks for one.
  if (reference.info.startToken && reference.info.startToken != learner.info.startToken)
    return refuse("targets that begin with the token", *reference.info.startToken, *learner.info.startToken);
  return absl::OkStatus();
}

absl::StatusOr<OwningOpRef<ModuleOp>> buildTrainingGraph(const train::Recipe &recipe,
                                                         frontend::ImportedModel &model,
                                                         frontend::ImportedModel *reference) {
  absl::StatusOr<OwningOpRef<ModuleOp>> taken = takeLoss(model, recipe.objective(), recipe.batch());
  if (!taken.ok())
    return taken.status();
  OwningOpRef<ModuleOp> module = *std::move(taken);
  if (absl::Status status =
          freezeParameters(*module, std::vector<std::string>(recipe.freeze().begin(), recipe.freeze().end()));
      !status.ok())
    return status;
  if (recipe.has_lora())
    if (absl::Status status = addLora(*module, recipe.lora()); !status.ok())
      return status;
  auto loss = cast<func::FuncOp>(module->lookupSymbol("loss"));
  OwningOpRef<ModuleOp> other; // of the reference
  if (reference) {
    absl::StatusOr<OwningOpRef<ModuleOp>> taken = takeLoss(*reference, recipe.objective(), recipe.batch());
    if (!taken.ok())
      return taken.status();
    other = *std::move(taken);
    if (absl::Status status = checkInputs(*reference, model); !status.ok())
      return status;
  }
  if (recipe.objective().has_preference())
    addPreference(loss, *other, recipe.objective().preference().beta(), recipe.batch().sequences());
  func::FuncOp evaluate = loss.clone();
  evaluate.setName("evaluate");
  if (isRightOrWrong(recipe.objective()))
    returnOutputs(evaluate);
  module->push_back(evaluate);
  if (recipe.run().has_samples())
    module->push_back(makeSampleFunction(evaluate, recipe.batch().length()));
  // What follows is for learning only.
  if (recipe.label_smoothing() > 0)
    crossEntropyOf(loss).setSmoothing(llvm::APFloat(recipe.label_smoothing()));
  if (absl::Status status = addDropout(loss, recipe.dropout()); !status.ok())
    return status;
  if (recipe.has_distillation())
    if (absl::Status status = addDistillation(loss, *other, recipe.distillation()); !status.ok())
      return status;
  nameOperations(loss);
  if (absl::Status status = addOptimizerFunctions(*module, recipe); !status.ok())
    return status;
  return module;
}

} // namespace llmc::recipe
