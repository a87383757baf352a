//===- Draft.h - the model that llmc run --draft names --------------------------------------------------===//
#ifndef LLMC_TOOLS_LLMC_DRAFT_H
#define LLMC_TOOLS_LLMC_DRAFT_H

#include "tools/llmc/RunOptions.h"

#include <memory>

namespace llmc::tool {

/// Loads the artifact of --draft, which must have the tokens of `tokenizer`, the model's, to be run by `team`
/// (null: one of its own). On failure prints the reason and sets `code`; the result is then without an
/// artifact.
Model loadDraft(const RunOptions &options, const text::Tokenizer &tokenizer,
                std::shared_ptr<runtime::Team> team, ExitCode &code);

} // namespace llmc::tool

#endif // LLMC_TOOLS_LLMC_DRAFT_H
