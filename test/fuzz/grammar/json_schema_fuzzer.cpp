//===- json_schema_fuzzer.cpp - schemas of strangers --------------------------------------------------===//
//
// The input is a JSON schema. What is made of one that is accepted can be read as a grammar.
//
//===------------------------------------------------------------------------------------------------===//
#include "runtime/grammar/GrammarReader.h"
#include "runtime/grammar/JsonSchema.h"

#include <algorithm>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char *>(data), std::min<size_t>(size, 4096));
  const absl::StatusOr<std::string> grammar = llmc::grammar::grammarOfSchema(text);
  if (grammar.ok() && !llmc::grammar::readGrammar("schema", *grammar).ok())
    std::abort();
  return 0;
}
