//===- TrainingGraph.h - a recipe as nn ----------------------------------------------------------------===//
#ifndef LLMC_FRONTEND_RECIPE_TRAININGGRAPH_H
#define LLMC_FRONTEND_RECIPE_TRAININGGRAPH_H

#include "absl/status/statusor.h"
#include "frontend/import/Import.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "train/recipe.pb.h"

#include <optional>
#include <string>
#include <vector>

namespace llmc::recipe {

/// What is kept of each parameter beside its gradient, for the optimizer, and then the average: names of
/// sections.
std::vector<std::string> stateNames(const train::Recipe &recipe);

/// The functions of a complete recipe: @loss, which nn-differentiate turns into gradients; @evaluate, the
/// same and left alone; @norms, sums of squares of gradients, in parts; @update, which makes a step of the
/// optimizer and sets gradients to zero (its operand `hyper`: train/Hyperparameters.h). `model` is that
/// of the recipe's checkpoint or definition; its module becomes the result's. `reference` is the model
/// that stays as it is, if the recipe asks for one; its module is taken apart.
absl::StatusOr<mlir::OwningOpRef<mlir::ModuleOp>> buildTrainingGraph(const train::Recipe &recipe,
                                                                     frontend::ImportedModel &model,
                                                                     frontend::ImportedModel *reference);

/// Which head the encoder of a checkpoint is to be imported with, for an objective that has one.
std::optional<frontend::HeadChoice> headToTrain(const train::Objective &objective);

/// Turns an imported model into its loss: one function @loss
/// of the packed sequences of a batch, whose parameters are f32. A model that does not do what the
/// objective asks for is refused by name. Without an objective the next token is predicted.
absl::StatusOr<mlir::OwningOpRef<mlir::ModuleOp>>
takeLoss(frontend::ImportedModel &model, const train::Objective &objective, const train::BatchSize &batch);

/// The name of a parameter in the checkpoint that training begins with, if it has another one there.
inline constexpr llvm::StringLiteral kFirstNameAttribute = "llmc.first_name";

/// Marks vectors that lie in checkpoints as matrices of one row.
inline constexpr llvm::StringLiteral kRowAttribute = "llmc.row";

/// The numbers of a parameter that is computed, and that no checkpoint has.
inline constexpr llvm::StringLiteral kContentsAttribute = "llmc.contents";

/// Marks parameters of a frozen model beside the one that learns.
inline constexpr llvm::StringLiteral kReferenceAttribute = "llmc.reference";

/// Marks the parameters whose names match one of `patterns` as frozen. A pattern that none matches is an
/// error.
absl::Status freezeParameters(mlir::ModuleOp module, llvm::ArrayRef<std::string> patterns);

/// Adds low-rank matrices to linear layers of @loss and freezes all other parameters. They are called as PEFT
/// calls them: base_model.model.LAYER.lora_A.weight [rank, in] and lora_B.weight [out, rank].
absl::Status addLora(mlir::ModuleOp module, const train::Lora &lora);

/// adapter_config.json of the adapters that training `module`, with addLora() done to it, makes of the model
/// at `base`, with the rate `dropout` of their inputs.
std::string adapterConfig(mlir::ModuleOp module, const train::Lora &lora, double dropout,
                          const std::string &base);

/// Adds @norms and @update for the parameters of `module`. A pattern of a group that none of those that are
/// trained matches is an error.
absl::Status addOptimizerFunctions(mlir::ModuleOp module, const train::Recipe &recipe);

} // namespace llmc::recipe

#endif // LLMC_FRONTEND_RECIPE_TRAININGGRAPH_H
