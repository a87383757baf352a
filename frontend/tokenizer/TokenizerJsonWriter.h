//===- TokenizerJsonWriter.h - a trained vocabulary as files of Hugging Face ------------------------------===//
#ifndef LLMC_TOKENIZER_TOKENIZERJSONWRITER_H
#define LLMC_TOKENIZER_TOKENIZERJSONWRITER_H

#include "frontend/tokenizer/BpeTrainer.h"

#include <string>

namespace llmc::tokenizer {

/// tokenizer.json with GPT-2's byte-level pipeline. The special tokens have to be UTF-8.
std::string tokenizerJson(const BytePairVocabulary &vocabulary);

/// tokenizer_config.json, which makes the first special token the one that ends documents.
std::string tokenizerConfigJson(const BytePairVocabulary &vocabulary);

} // namespace llmc::tokenizer

#endif // LLMC_TOKENIZER_TOKENIZERJSONWRITER_H
