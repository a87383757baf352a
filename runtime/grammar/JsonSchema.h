//===- JsonSchema.h - the grammar of what a JSON schema accepts ---------------------------------------===//
#ifndef LLMC_RUNTIME_GRAMMAR_JSONSCHEMA_H
#define LLMC_RUNTIME_GRAMMAR_JSONSCHEMA_H

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include <string>

namespace llmc::grammar {

/// A grammar in GBNF (GrammarReader.h) all texts of which are JSON that `schema` (draft 2020-12) accepts, not
/// in all ways in which it could be written: properties come in the order of the schema, and numbers have at
/// most 16 digits before and behind the point. An object that lists properties has no others unless
/// `additionalProperties` says so, and `oneOf` is taken for `anyOf`. Keywords that only describe are left
/// out; others that are not supported are refused by their place in the schema: `/properties/age: ...`.
absl::StatusOr<std::string> grammarOfSchema(absl::string_view schema);

} // namespace llmc::grammar

#endif // LLMC_RUNTIME_GRAMMAR_JSONSCHEMA_H
