#include "frontend/recipe/MaskingRules.h"

#include "absl/strings/match.h"

namespace llmc::recipe {

namespace {

/// Whether a token goes on with the word of the token before it.
bool continuesWord(const text::Tokenizer &tokenizer, int32_t id) {
  const absl::string_view token = tokenizer.tokenText(id);
  const text::Decoder &decoder = tokenizer.decoder();
  if (decoder.has_word_piece())
    return absl::StartsWith(token, decoder.word_piece().prefix());
  // Others mark the space before a word.
  const std::string mark = decoder.has_byte_level() ? "\u0120" : decoder.pieces().marker();
  return !mark.empty() && !absl::StartsWith(token, mark);
}

void setBit(std::string &bits, size_t index) {
  bits[index / 8] = static_cast<char>(static_cast<uint8_t>(bits[index / 8]) | 1U << (index % 8));
}

} // namespace

absl::StatusOr<runtime::Masking> maskingRules(const train::Objective::MaskedTokens &objective,
                                              const text::Tokenizer &tokenizer) {
  if (!tokenizer.maskId())
    return absl::InvalidArgumentError(
        "objective.masked_tokens: the tokenizer has no mask token, expected one that has");
  runtime::Masking rules;
  rules.set_part(objective.part());
  rules.set_whole_words(objective.whole_words());
  rules.set_mask_id(*tokenizer.maskId());
  const size_t tokens = tokenizer.vocabularySize();
  std::string special((tokens + 7) / 8, '\0'), continues = special;
  for (size_t id = 0; id < tokens; ++id) {
    if (tokenizer.isSpecial(static_cast<int32_t>(id)))
      setBit(special, id);
    else if (continuesWord(tokenizer, static_cast<int32_t>(id)))
      setBit(continues, id);
  }
  rules.set_special(std::move(special));
  rules.set_continues_word(std::move(continues));
  return rules;
}

} // namespace llmc::recipe
