//===- sentencepiece_model_fuzzer.cpp - .model files of strangers ----------===//
//
// The input is a byte that chooses the class of tokenizer, and a SentencePiece model.
//
//===----------------------------------------------------------------------===//

#include <cstdint>

#include "frontend/tokenizer/SentencePieceModel.h"
#include "test/fuzz/text/RoundTrip.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  using namespace llmc;
  if (size == 0)
    return 0;
  constexpr const char *kClasses[] = {"", "T5Tokenizer", "LlamaTokenizer", "XLMRobertaTokenizer"};
  const absl::string_view file(reinterpret_cast<const char *>(data) + 1, size - 1);
  absl::StatusOr<text::TokenizerModel> model = tokenizer::importSentencePieceModel(
      {"m.model", file, kClasses[data[0] % 4], {R"({"extra_ids": 3})", {}, {}}, R"({"<added>": 400})"});
  if (!model.ok()) {
    text::require(model.status().message().find('\n') == absl::string_view::npos);
    return 0;
  }
  // What the importer lets through the runtime takes.
  absl::StatusOr<std::unique_ptr<text::Tokenizer>> tokenizer = text::Tokenizer::create(*model);
  text::require(tokenizer.ok());
  text::checkRoundTrip(**tokenizer,
                       "Hello  w\xC3\xB6rld 12\n\xE4\xB8\x9C \xFF<s>e\xCC\x81 \xE2\x82 the<added>abab ");
  return 0;
}
