//===- bpe_trainer_fuzzer.cpp - tokenizers learned from strange texts ------===//
//
// The input is how many tokens are learned at most, a byte, and a text. What is learned can be read, and the
// text comes back.
//
//===----------------------------------------------------------------------===//

#include <cstdint>

#include "frontend/tokenizer/BpeTrainer.h"
#include "frontend/tokenizer/TokenizerJson.h"
#include "frontend/tokenizer/TokenizerJsonWriter.h"
#include "test/fuzz/text/RoundTrip.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  using namespace llmc;
  if (size == 0)
    return 0;
  const absl::string_view text(reinterpret_cast<const char *>(data) + 1, std::min<size_t>(size - 1, 4096));
  absl::StatusOr<tokenizer::BpeTrainer> trainer =
      tokenizer::BpeTrainer::create({258 + data[0], 2, {"<s>", "the"}});
  text::require(trainer.ok());
  if (!trainer->addText(text).ok())
    return 0;
  const tokenizer::BytePairVocabulary vocabulary = std::move(*trainer).train([](int64_t) {});
  absl::StatusOr<text::TokenizerModel> model =
      tokenizer::importTokenizerJson({*tokenizer::tokenizerJson(tokenizer::modelOf(vocabulary)), {}});
  text::require(model.ok());
  absl::StatusOr<std::unique_ptr<text::Tokenizer>> tokenizer = text::Tokenizer::create(*model);
  text::require(tokenizer.ok());
  text::checkRoundTrip(**tokenizer, text);
  absl::StatusOr<std::vector<int32_t>> ids = (*tokenizer)->encode(text, {false, false});
  text::require(ids.ok() &&
                (*tokenizer)->decode(*ids, text::DecodeSpecial::Keep) == text::replaceInvalidUtf8(text));
  return 0;
}
