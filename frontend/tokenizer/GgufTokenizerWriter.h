//===- GgufTokenizerWriter.h - a tokenizer as metadata of a GGUF file -----===//

#ifndef LLMC_TOKENIZER_GGUF_TOKENIZER_WRITER_H
#define LLMC_TOKENIZER_GGUF_TOKENIZER_WRITER_H

#include "absl/status/statusor.h"

#include "frontend/tokenizer/GgufTokenizer.h"

namespace llmc::tokenizer {

/// The fields from which importGgufTokenizer() makes a tokenizer that gives the ids of `model`, for a model
/// with `vocabularySize` rows of embeddings. GGUF names pre-tokenizers and does not describe them: a
/// tokenizer that has no name there, or a vocabulary with more tokens than rows, is refused with what stands
/// against it. Normalization to NFC, which GGUF cannot say and its readers do without, is left out.
absl::StatusOr<GgufTokenizerFields> ggufFieldsOf(const text::TokenizerModel &model, size_t vocabularySize);

} // namespace llmc::tokenizer

#endif
