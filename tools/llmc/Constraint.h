//===- Constraint.h - the form that --grammar or --json-schema demands ----------------------------------===//
#ifndef LLMC_TOOLS_LLMC_CONSTRAINT_H
#define LLMC_TOOLS_LLMC_CONSTRAINT_H

#include "tools/llmc/RunOptions.h"

#include <memory>
#include <vector>

namespace llmc::tool {

/// The form that answers have to keep to, in the tokens of a model, for each of `count` answers at a time;
/// null if the options name none. Errors name the file, or --json-schema where the schema is on the command
/// line, and the place in it.
absl::StatusOr<std::vector<std::shared_ptr<runtime::TokenConstraint>>>
constraintsOf(const RunOptions &options, const text::Tokenizer &tokenizer, int64_t count = 1);

} // namespace llmc::tool

#endif // LLMC_TOOLS_LLMC_CONSTRAINT_H
