//===- Definition.h - model definitions that make sense ----------------------------------------------===//
#ifndef LLMC_FRONTEND_SPEC_DEFINITION_H
#define LLMC_FRONTEND_SPEC_DEFINITION_H

#include "frontend/spec/model.pb.h"

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include <string>
#include <vector>

namespace llmc::spec {

/// The largest size that a definition may name.
inline constexpr uint32_t kMostSize = 1 << 24;

/// `definition` with all defaults filled in. `vocabulary` is that of the tokenizer, 0 if there is none.
/// Errors name the field: `model.attention.heads is 0, expected 1 to 16777216`.
absl::StatusOr<ModelDefinition> complete(ModelDefinition definition, int64_t vocabulary);

/// Reads a complete definition from protobuf's text form. Errors are one line that begins with the file, or
/// with `source`, and the place or the field.
absl::StatusOr<ModelDefinition> readDefinition(const std::string &path);
absl::StatusOr<ModelDefinition> parseDefinition(absl::string_view source, absl::string_view text);

/// The text form of a complete definition, without the numbers that complete() would fill in.
std::string printDefinition(const ModelDefinition &complete);

/// Reads protobuf's text form into `message`. Errors are one line: `NAME:LINE:COLUMN: ...`.
absl::Status parseText(absl::string_view name, absl::string_view text, google::protobuf::Message &message);

/// The preset called `name`; the error lists all of them.
absl::StatusOr<ModelDefinition> preset(absl::string_view name);
std::vector<std::string> presetNames();

/// Whether the model is of a family of encoders.
bool isEncoder(const ModelDefinition &model);

} // namespace llmc::spec

#endif // LLMC_FRONTEND_SPEC_DEFINITION_H
