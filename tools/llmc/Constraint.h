//===- Constraint.h - the form that --grammar or --json-schema demands ----------------------------------===//
#ifndef LLMC_TOOLS_LLMC_CONSTRAINT_H
#define LLMC_TOOLS_LLMC_CONSTRAINT_H

#include "tools/llmc/RunOptions.h"

#include <memory>

namespace llmc::tool {

/// The form that answers have to keep to, in the tokens of a model; null if the options name none. Errors
/// name the file, or --json-schema where the schema is on the command line, and the place in it.
absl::StatusOr<std::shared_ptr<runtime::TokenConstraint>> constraintOf(const RunOptions &options,
                                                                       const text::Tokenizer &tokenizer);

} // namespace llmc::tool

#endif // LLMC_TOOLS_LLMC_CONSTRAINT_H
