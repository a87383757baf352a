//===- tokenizer_model_fuzzer.cpp - tokenizers of corrupted artifacts ------===//
//
// The input is a serialized TokenizerModel.
//
//===----------------------------------------------------------------------===//

#include <cstdint>

#include "test/fuzz/text/RoundTrip.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  using namespace llmc;
  text::TokenizerModel model;
  if (!model.ParseFromArray(data, static_cast<int>(size)))
    return 0;
  absl::StatusOr<std::unique_ptr<text::Tokenizer>> tokenizer = text::Tokenizer::create(model);
  if (tokenizer.ok())
    text::checkRoundTrip(**tokenizer,
                         "the <s> a  \xC3\xA9 12345\n [MASK] \xFF" + model.chat_template().substr(0, 4096));
  return 0;
}
