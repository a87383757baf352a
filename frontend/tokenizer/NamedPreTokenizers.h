//===- NamedPreTokenizers.h - pre-tokenizers as GGUF files name them ------===//

#ifndef LLMC_TOKENIZER_NAMED_PRE_TOKENIZERS_H
#define LLMC_TOKENIZER_NAMED_PRE_TOKENIZERS_H

#include <vector>

#include "absl/strings/string_view.h"

namespace llmc::tokenizer {

/// A pre-tokenizer by its name in tokenizer.ggml.pre: patterns that cut one after the other.
struct NamedPreTokenizer {
  absl::string_view name;
  std::vector<absl::string_view> patterns;
  bool ignoreMerges = false;
  bool addBos = false; // where the file does not say
};

/// All that are supported.
const std::vector<NamedPreTokenizer> &namedPreTokenizers();

/// The pattern by which GPT-2's byte-level step cuts words.
extern const absl::string_view kGpt2Pattern;

} // namespace llmc::tokenizer

#endif
