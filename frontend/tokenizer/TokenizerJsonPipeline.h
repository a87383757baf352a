//===- TokenizerJsonPipeline.h - the steps around the model ---------------===//
//
// The parts of tokenizer.json before and after its model: normalizer, pre-tokenizer, post-processor, decoder.
//
//===----------------------------------------------------------------------===//

#ifndef LLMC_TOKENIZER_TOKENIZER_JSON_PIPELINE_H
#define LLMC_TOKENIZER_TOKENIZER_JSON_PIPELINE_H

#include "absl/status/status.h"

#include "frontend/tokenizer/JsonField.h"
#include "runtime/text/tokenizer.pb.h"

namespace llmc::tokenizer {

/// Each appends or sets what the field, null or an object with a type, describes.
absl::Status importNormalizer(const JsonField &field, text::TokenizerModel &model);
absl::Status importPreTokenizer(const JsonField &field, text::TokenizerModel &model);
absl::Status importPostProcessor(const JsonField &field, text::TokenizerModel &model);
absl::Status importDecoder(const JsonField &field, text::TokenizerModel &model);

} // namespace llmc::tokenizer

#endif
