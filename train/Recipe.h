//===- Recipe.h - reading recipes ---------------------------------------------------------------------===//
#ifndef LLMC_TRAIN_RECIPE_H
#define LLMC_TRAIN_RECIPE_H

#include "train/recipe.pb.h"

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include <optional>

namespace llmc::train {

/// Reads the recipe at `path`, in protobuf's text form. Errors say where, and which field is not known:
/// `tiny.recipe:3:5: Message type "llmc.train.Run" has no field named "step".`
absl::StatusOr<Recipe> readRecipe(absl::string_view path);

/// Sets one field of `run`: `setting` is "learning_rate=1e-3" or "schedule.kind=LINEAR".
absl::Status overrideSetting(absl::string_view setting, Run &run);

/// `recipe` with all defaults filled in, its model definition included. `vocabulary` is that of the
/// tokenizer, 0 if there is none; `checkpointContext` the positions that the model in `recipe.checkpoint` was
/// made for, if it has one. Errors name the field.
absl::StatusOr<Recipe> complete(Recipe recipe, int64_t vocabulary,
                                std::optional<int64_t> checkpointContext = {});

/// Whether the settings of a run make sense; errors name the field.
absl::Status checkRun(const Run &run);

/// The folder with the weights of the model that stays as it is in `run`, whose settings were maybe
/// overridden: `run.reference`, or what stands for it.
const std::string &referenceOf(const Recipe &recipe, const Run &run);

/// Documents that belong together: 1 of objectives without groups.
int64_t groupSizeOf(const Objective &objective);

/// Whether a batch is of whole groups, of which each document has a sequence of its own.
bool hasGroupsInBatch(const Objective &objective);

} // namespace llmc::train

#endif // LLMC_TRAIN_RECIPE_H
