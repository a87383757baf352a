//===- GrammarReader.h - GBNF, the notation of llama.cpp ----------------------------------------------===//
#ifndef LLMC_RUNTIME_GRAMMAR_GRAMMARREADER_H
#define LLMC_RUNTIME_GRAMMAR_GRAMMARREADER_H

#include "runtime/grammar/Grammar.h"

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace llmc::grammar {

/// Reads a grammar in GBNF (llama.cpp, grammars/README.md): rules `name ::= ...` of strings, classes of
/// characters, `.`, names, groups, `|`, and the repetitions `* + ? {n} {n,} {n,m}`. Errors are one line that
/// begins with `name`, line and column. Refuses texts that are no UTF-8, names without a rule, two rules of
/// one name, a missing `root`, groups that are nested too deeply, and references to tokens.
absl::StatusOr<Grammar> readGrammar(absl::string_view name, absl::string_view text);

} // namespace llmc::grammar

#endif // LLMC_RUNTIME_GRAMMAR_GRAMMARREADER_H
