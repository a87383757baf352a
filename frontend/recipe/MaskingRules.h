//===- MaskingRules.h - which tokens of a vocabulary can be hidden ---------------------------------------===//
#ifndef LLMC_FRONTEND_RECIPE_MASKINGRULES_H
#define LLMC_FRONTEND_RECIPE_MASKINGRULES_H

#include "absl/status/statusor.h"
#include "runtime/core/artifact.pb.h"
#include "runtime/text/Tokenizer.h"
#include "train/recipe.pb.h"

namespace llmc::recipe {

/// What a trainer has to know of the tokens to hide some of them. Refuses a tokenizer without a mask token.
absl::StatusOr<runtime::Masking> maskingRules(const train::Objective::MaskedTokens &objective,
                                              const text::Tokenizer &tokenizer);

} // namespace llmc::recipe

#endif // LLMC_FRONTEND_RECIPE_MASKINGRULES_H
