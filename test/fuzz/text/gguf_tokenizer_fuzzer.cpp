//===- gguf_tokenizer_fuzzer.cpp - tokenizers of strangers' GGUF files -----===//
//
// The input is a field of the metadata a line: its letter (see `readField`) and its value.
//
//===----------------------------------------------------------------------===//

#include <cstdint>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

#include "frontend/tokenizer/GgufTokenizer.h"
#include "test/fuzz/text/RoundTrip.h"

namespace {

using namespace llmc;

std::optional<uint32_t> idOf(absl::string_view value) {
  uint32_t id = 0;
  return absl::SimpleAtoi(value, &id) ? std::optional(id) : std::nullopt;
}

/// A token: type and score, a character each, and its text. Without a score where that is '-'.
void readToken(absl::string_view value, tokenizer::GgufTokenizerFields &fields) {
  if (value.size() < 2)
    return;
  fields.tokenTypes.push_back(value[0] - '0');
  if (value[1] != '-')
    fields.scores.push_back(value[1] == '!' ? NAN : -value[1]);
  fields.tokens.emplace_back(value.substr(2));
}

void readField(char letter, absl::string_view value, tokenizer::GgufTokenizerFields &fields,
               std::string &text) {
  switch (letter) {
  case 'm':
    fields.model = std::string(value);
    break;
  case 'p':
    fields.pre = std::string(value);
    break;
  case 'c':
    fields.chatTemplate = std::string(value);
    break;
  case 't':
    readToken(value, fields);
    break;
  case 'r':
    fields.merges.emplace_back(value);
    break;
  case 'B':
    fields.bosId = idOf(value);
    break;
  case 'E':
    fields.eosId = idOf(value);
    break;
  case 'T':
    fields.eotId = idOf(value);
    break;
  case 'U':
    fields.unkId = idOf(value);
    break;
  case 'P':
    fields.padId = idOf(value);
    break;
  case 'C':
    fields.clsId = idOf(value);
    break;
  case 'S':
    fields.sepId = idOf(value);
    break;
  case 'b':
    fields.addBos = value == "1";
    break;
  case 'e':
    fields.addEos = value == "1";
    break;
  case 's':
    fields.addSpacePrefix = value == "1";
    break;
  case 'n': // no types in this file
    fields.tokenTypes.clear();
    break;
  case 'x':
    text = std::string(value.substr(0, 4096));
    break;
  default:
    break;
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  tokenizer::GgufTokenizerFields fields;
  std::string text = "Hello  w\xC3\xB6rld 12 \xE4\xB8\x9C";
  for (absl::string_view line :
       absl::StrSplit(absl::string_view(reinterpret_cast<const char *>(data), size), '\n'))
    if (!line.empty())
      readField(line[0], line.substr(1), fields, text);
  absl::StatusOr<text::TokenizerModel> model = tokenizer::importGgufTokenizer(fields);
  if (!model.ok())
    return 0;
  absl::StatusOr<std::unique_ptr<text::Tokenizer>> tokenizer = text::Tokenizer::create(*model);
  if (tokenizer.ok())
    text::checkRoundTrip(**tokenizer, text);
  return 0;
}
