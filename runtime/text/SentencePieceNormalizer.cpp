//===- SentencePieceNormalizer.cpp - text as SentencePiece cuts it --------===//

#include "runtime/text/SentencePieceNormalizer.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include "runtime/text/Unicode.h"

namespace llmc::text {

absl::StatusOr<SentencePieceNormalizer>
SentencePieceNormalizer::create(const NormalizerStep::SentencePiece &step) {
  using Step = NormalizerStep::SentencePiece;
  SentencePieceNormalizer normalizer;
  if (!step.charsmap().empty()) {
    absl::StatusOr<CharacterMap> rules = CharacterMap::create(step.charsmap());
    if (!rules.ok())
      return rules.status();
    normalizer.rules = *std::move(rules);
  }
  absl::StatusOr<DoubleArray> kept = DoubleArray::create({step.kept().begin(), step.kept().end()});
  if (!kept.ok())
    return kept.status();
  normalizer.kept = *std::move(kept);
  if (step.dummy_prefix() == Step::DUMMY_PREFIX_UNSPECIFIED ||
      !Step::DummyPrefix_IsValid(step.dummy_prefix()))
    return absl::InvalidArgumentError("a dummy prefix of unknown kind");
  normalizer.dummyPrefix = step.dummy_prefix();
  normalizer.removeExtraSpaces = step.remove_extra_whitespaces();
  normalizer.space = step.escape_whitespaces() ? "\u2581" : " ";
  return normalizer;
}

CharacterMap::Rule SentencePieceNormalizer::front(absl::string_view text) const {
  // What is kept has to be whole characters, so that the rest is.
  if (DoubleArray::Match match = kept.longestPrefix(text); match.length > 0)
    return {match.length, text.substr(0, match.length)};
  if (std::optional<CharacterMap::Rule> rule = rules.longestRule(text))
    return *rule;
  Utf8Step step = stepUtf8(text);
  if (step.kind == Utf8Step::Kind::Character)
    return {step.length, text.substr(0, step.length)};
  return {1, "\uFFFD"};
}

size_t SentencePieceNormalizer::unchangedLength(absl::string_view text) const {
  size_t length = 0;
  if (kept.empty())
    while (length + 1 < text.size() && text[length + 1] >= 0 && text[length] != ' ' &&
           rules.leavesAscii(text[length]))
      ++length;
  return length;
}

std::string SentencePieceNormalizer::normalize(absl::string_view text, bool atTextStart) const {
  using Step = NormalizerStep::SentencePiece;
  if (removeExtraSpaces)
    while (!text.empty()) {
      CharacterMap::Rule leading = front(text);
      if (leading.replacement != " ")
        break;
      text.remove_prefix(leading.length);
    }
  if (text.empty())
    return "";
  std::string result;
  result.reserve(text.size() + text.size() / 2 + 2 * space.size());
  if (dummyPrefix == Step::ALWAYS || (dummyPrefix == Step::FIRST && atTextStart))
    result += space;
  bool afterSpace = removeExtraSpaces;
  while (!text.empty()) {
    if (size_t length = unchangedLength(text); length > 0) {
      absl::StrAppend(&result, text.substr(0, length));
      text.remove_prefix(length);
      afterSpace = false;
    }
    auto [length, replacement] = front(text);
    text.remove_prefix(length);
    while (afterSpace && absl::ConsumePrefix(&replacement, " ")) {
    }
    if (replacement.empty())
      continue;
    afterSpace = removeExtraSpaces && replacement.back() == ' ';
    for (char byte : replacement)
      if (byte == ' ')
        result += space;
      else
        result += byte;
  }
  if (removeExtraSpaces)
    while (absl::EndsWith(result, space))
      result.resize(result.size() - space.size());
  return result;
}

} // namespace llmc::text
