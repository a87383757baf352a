//===- TokenizerJson.h - tokenizers of Hugging Face directories -----------===//

#ifndef LLMC_TOKENIZER_TOKENIZER_JSON_H
#define LLMC_TOKENIZER_TOKENIZER_JSON_H

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "frontend/tokenizer/TokenizerConfig.h"
#include "runtime/text/tokenizer.pb.h"

namespace llmc::tokenizer {

/// The contents of the files of a Hugging Face directory that say how text becomes tokens.
struct HuggingFaceTokenizerFiles {
  absl::string_view tokenizerJson;
  TokenizerConfigFiles config;
};

/// Reads a tokenizer. An error names file and field; what is not supported is refused by name with what is.
absl::StatusOr<text::TokenizerModel> importTokenizerJson(const HuggingFaceTokenizerFiles &files);

} // namespace llmc::tokenizer

#endif
