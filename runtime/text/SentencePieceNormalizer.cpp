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

void SentencePieceNormalizer::normalize(absl::string_view text, bool atTextStart, Rewriting &out) const {
  using Step = NormalizerStep::SentencePiece;
  size_t at = 0;
  if (removeExtraSpaces)
    while (at < text.size()) {
      CharacterMap::Rule leading = front(text.substr(at));
      if (leading.replacement != " ")
        break;
      at += leading.length;
    }
  if (at == text.size())
    return;
  out.text.reserve(text.size() + text.size() / 2 + 2 * space.size());
  if (dummyPrefix == Step::ALWAYS || (dummyPrefix == Step::FIRST && atTextStart))
    out.text += space;
  out.cameFrom(at, at);
  bool afterSpace = removeExtraSpaces;
  while (at < text.size()) {
    if (size_t length = unchangedLength(text.substr(at)); length > 0) {
      out.copy(text, at, at + length);
      at += length;
      afterSpace = false;
    }
    const size_t begin = at;
    auto [length, replacement] = front(text.substr(at));
    at += length;
    while (afterSpace && absl::ConsumePrefix(&replacement, " ")) {
    }
    if (replacement.empty())
      continue;
    afterSpace = removeExtraSpaces && replacement.back() == ' ';
    for (char byte : replacement)
      if (byte == ' ')
        out.text += space;
      else
        out.text += byte;
    out.cameFrom(begin, at);
  }
  if (removeExtraSpaces)
    while (absl::EndsWith(out.text, space))
      out.truncate(out.text.size() - space.size());
}

} // namespace llmc::text
