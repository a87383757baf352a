//===- LossFunction.h - changes of @loss -------------------------------------------------------------------===//
//
// Private to frontend/recipe: what the parts of a recipe do to the function @loss, one after the other.
//
//===------------------------------------------------------------------------------------------------===//
#ifndef LLMC_FRONTEND_RECIPE_LOSSFUNCTION_H
#define LLMC_FRONTEND_RECIPE_LOSSFUNCTION_H

#include "absl/status/statusor.h"
#include "dialects/nn/NN.h"
#include "frontend/import/Import.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "train/recipe.pb.h"

namespace llmc::recipe {

/// The argument of `function` that trainers know by `name` (train/Trainer.cpp), or null.
mlir::Value findInput(mlir::func::FuncOp function, llvm::StringRef name);

/// The same, a new one if it is not there.
mlir::Value addInput(mlir::func::FuncOp function, llvm::StringRef name, mlir::Type type);

/// The cross entropy that the losses of `function` are; null if they are something else.
nn::CrossEntropyOp crossEntropyOf(mlir::func::FuncOp function);

/// The linear layers of `function` whose results become its own, logits and losses, by operations that are
/// none (Gemma 2 limits logits).
llvm::SmallPtrSet<mlir::Operation *, 1> findHeads(mlir::func::FuncOp function);

/// Makes the outputs, whose losses it returns, a second result of `evaluate`.
void returnOutputs(mlir::func::FuncOp evaluate);

/// The function @sample of the model in `evaluate`, which predicts tokens: of one sequence of `length` rows
/// it returns the outputs of one row, which its argument `output_ids` names.
mlir::func::FuncOp makeSampleFunction(mlir::func::FuncOp evaluate, int64_t length);

/// Makes the decoder `loss` and the function @encode beside it, both inlined, one function, which reads
/// sources: `source_tokens`, `source_positions` and `source_segments` of the rows that `batch` says. The
/// decoder's attention to caches becomes attention to keys of the sources' rows.
void joinEncoder(mlir::func::FuncOp loss, const train::BatchSize &batch);

/// How names of parameters of the reference begin.
inline constexpr llvm::StringLiteral kReferencePrefix = "reference.";

/// How names of the first matrices of low-rank adaptation end.
inline constexpr llvm::StringLiteral kLoraDownSuffix = ".lora_A.weight";

/// Adds dropout at the rates of `dropout`. Refuses a model without a place for it.
absl::Status addDropout(mlir::func::FuncOp loss, const train::Dropout &dropout);

/// Adds the operations of @loss of `reference`, a module that takeLoss() made, and its parameters, which are
/// frozen and marked as the reference's. Returns what its losses are the cross entropy of.
mlir::Value addReferenceModel(mlir::func::FuncOp loss, mlir::ModuleOp reference);

/// The texts of a batch that learns embeddings: `texts` of them, one in each sequence, in groups of which the
/// first is to be closest to the second.
struct ContrastiveForm {
  int64_t texts, groupSize;
  double temperature;
  frontend::Pooling::Mode pooling;
};

/// The losses of groups, [groups, 1], of `states` of all rows, [rows, width]. Refuses a pooling that has no
/// gradient.
absl::StatusOr<mlir::Value> buildContrastiveLoss(mlir::func::FuncOp loss, mlir::Value states,
                                                 const ContrastiveForm &form, mlir::ImplicitLocOpBuilder &b);

/// Makes losses of tokens those of pairs of texts, of which the first is to be preferred: [texts / 2, 1].
/// Each text is a sequence. `reference` is a module that takeLoss() made.
void addPreference(mlir::func::FuncOp loss, mlir::ModuleOp reference, double beta, int64_t texts);

/// Adds the divergence from the probabilities of `teacher`, a module that takeLoss() made, to
/// the losses, which are a cross entropy.
absl::Status addDistillation(mlir::func::FuncOp loss, mlir::ModuleOp teacher,
                             const train::Distillation &distillation);

} // namespace llmc::recipe

#endif // LLMC_FRONTEND_RECIPE_LOSSFUNCTION_H
