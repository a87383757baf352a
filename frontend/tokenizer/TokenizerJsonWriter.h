//===- TokenizerJsonWriter.h - tokenizers as files of Hugging Face ----------------------------------------===//
#ifndef LLMC_TOKENIZER_TOKENIZERJSONWRITER_H
#define LLMC_TOKENIZER_TOKENIZERJSONWRITER_H

#include "frontend/tokenizer/BpeTrainer.h"
#include "runtime/text/tokenizer.pb.h"

#include "absl/status/statusor.h"

#include <string>

namespace llmc::tokenizer {

/// tokenizer.json, from which importTokenizerJson() makes `model`. Tokens have to be UTF-8. Unigram, and what
/// SentencePiece does to texts, are refused by name.
absl::StatusOr<std::string> tokenizerJson(const text::TokenizerModel &model);

/// tokenizer_config.json: the roles of tokens, and the chat template.
std::string tokenizerConfigJson(const text::TokenizerModel &model);

/// A trained vocabulary with GPT-2's byte-level pipeline, whose first special token ends documents. The
/// special tokens have to be UTF-8.
text::TokenizerModel modelOf(const BytePairVocabulary &vocabulary);

} // namespace llmc::tokenizer

#endif // LLMC_TOKENIZER_TOKENIZERJSONWRITER_H
