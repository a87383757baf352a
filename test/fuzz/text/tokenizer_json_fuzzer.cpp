//===- tokenizer_json_fuzzer.cpp - tokenizer.json of strangers -------------===//
//
// The input is a tokenizer.json, and behind a zero byte a text.
//
//===----------------------------------------------------------------------===//

#include <cstdint>

#include "frontend/tokenizer/TokenizerJson.h"
#include "test/fuzz/text/RoundTrip.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  using namespace llmc;
  absl::string_view input(reinterpret_cast<const char *>(data), size);
  size_t end = std::min(input.find('\0'), input.size());
  absl::string_view text = end < size ? input.substr(end + 1) : "Hello  w\xC3\xB6rld 12\n\xE4\xB8\x9C";
  absl::StatusOr<text::TokenizerModel> model = tokenizer::importTokenizerJson({input.substr(0, end), {}});
  if (!model.ok())
    return 0;
  absl::StatusOr<std::unique_ptr<text::Tokenizer>> tokenizer = text::Tokenizer::create(*model);
  if (tokenizer.ok())
    text::checkRoundTrip(**tokenizer, text.substr(0, 4096));
  return 0;
}
