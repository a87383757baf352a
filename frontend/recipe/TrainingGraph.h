//===- TrainingGraph.h - a recipe as nn ----------------------------------------------------------------===//
#ifndef LLMC_FRONTEND_RECIPE_TRAININGGRAPH_H
#define LLMC_FRONTEND_RECIPE_TRAININGGRAPH_H

#include "absl/status/statusor.h"
#include "frontend/import/Import.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "train/recipe.pb.h"

#include <string>
#include <vector>

namespace llmc::recipe {

/// What is kept of each parameter beside its gradient, for the optimizer: names of sections.
std::vector<std::string> stateNames(const train::Optimizer &optimizer);

/// The functions of a complete recipe: @loss, which nn-differentiate turns into gradients; @evaluate, the
/// same and left alone; @norms, sums of squares of gradients, in parts; @update, which makes a step of the
/// optimizer and sets gradients to zero (its operand `hyper`: train/Hyperparameters.h). `checkpoint` is the
/// model of `recipe.checkpoint`, if it has one; its module becomes the result's.
absl::StatusOr<mlir::OwningOpRef<mlir::ModuleOp>> buildTrainingGraph(const train::Recipe &recipe,
                                                                     frontend::ImportedModel *checkpoint,
                                                                     mlir::MLIRContext *context);

/// Turns an imported decoder into its loss, as spec::buildLoss() builds it of a definition: one function
/// @loss of packed sequences of `length` rows, whose parameters are f32. Models that predict no next token
/// are refused by name.
absl::StatusOr<mlir::OwningOpRef<mlir::ModuleOp>> takeLoss(frontend::ImportedModel &model, int64_t length);

/// Adds @norms and @update for the parameters of `module`.
void addOptimizerFunctions(mlir::ModuleOp module, const train::Optimizer &optimizer);

} // namespace llmc::recipe

#endif // LLMC_FRONTEND_RECIPE_TRAININGGRAPH_H
