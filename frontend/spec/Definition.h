//===- Definition.h - model definitions that make sense ----------------------------------------------===//
#ifndef LLMC_FRONTEND_SPEC_DEFINITION_H
#define LLMC_FRONTEND_SPEC_DEFINITION_H

#include "frontend/spec/model.pb.h"

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include <string>
#include <vector>

namespace llmc::spec {

/// `definition` with all defaults filled in. `vocabulary` is that of the tokenizer, 0 if there is none.
/// Errors name the field: `model.attention.heads is 0, expected a positive number`.
absl::StatusOr<ModelDefinition> complete(ModelDefinition definition, int64_t vocabulary);

/// The preset called `name`; the error lists all of them.
absl::StatusOr<ModelDefinition> preset(absl::string_view name);
std::vector<std::string> presetNames();

/// Elements of all parameters of a complete definition.
int64_t parameterCount(const ModelDefinition &definition);

} // namespace llmc::spec

#endif // LLMC_FRONTEND_SPEC_DEFINITION_H
