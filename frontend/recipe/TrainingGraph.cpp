//===- TrainingGraph.cpp - a recipe as nn --------------------------------------------------------------===//

#include "frontend/recipe/TrainingGraph.h"

#include "frontend/spec/BuildModel.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;

namespace llmc::recipe {

OwningOpRef<ModuleOp> buildTrainingGraph(const train::Recipe &recipe, MLIRContext *context) {
  OwningOpRef<ModuleOp> module = spec::buildLoss(recipe.model(), recipe.batch().length(), context);
  auto loss = cast<func::FuncOp>(module->lookupSymbol("loss"));
  func::FuncOp evaluate = loss.clone();
  evaluate.setName("evaluate");
  module->push_back(evaluate);
  addOptimizerFunctions(*module, recipe.optimizer());
  return module;
}

} // namespace llmc::recipe
