//===- Normalizer.cpp - what happens to text before it is cut -------------===//

#include "runtime/text/Normalizer.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

#include "runtime/text/Unicode.h"

namespace llmc::text {

namespace {

// A pattern that matches everywhere with a long replacement must not fill the memory.
constexpr size_t kMaxNormalizedBytes = 256 * 1024 * 1024;

std::string lowercase(absl::string_view text) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    DecodedCharacter front = decodeFront(text);
    appendLowercase(result, front.character);
    text.remove_prefix(front.length);
  }
  return result;
}

template <typename Predicate> std::string removeIf(absl::string_view text, Predicate predicate) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    DecodedCharacter front = decodeFront(text);
    if (!predicate(front.character))
      result.append(text.data(), front.length);
    text.remove_prefix(front.length);
  }
  return result;
}

/// Removes control characters and turns each white space into a space; puts spaces around Chinese characters.
std::string cleanForBert(absl::string_view text, bool cleanText, bool spaceChinese) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    DecodedCharacter front = decodeFront(text);
    char32_t c = front.character;
    if (cleanText && (c == 0 || c == 0xFFFD || isBertControl(c))) {
      // Gone.
    } else if (cleanText && isWhiteSpace(c)) {
      result.push_back(' ');
    } else if (spaceChinese && isBertChinese(c)) {
      result.push_back(' ');
      result.append(text.data(), front.length);
      result.push_back(' ');
    } else {
      result.append(text.data(), front.length);
    }
    text.remove_prefix(front.length);
  }
  return result;
}

std::string normalizeForBert(const NormalizerStep::Bert &bert, std::string text) {
  if (bert.clean_text() || bert.handle_chinese_chars())
    text = cleanForBert(text, bert.clean_text(), bert.handle_chinese_chars());
  if (bert.strip_accents())
    text = removeIf(normalizeTo(UnicodeForm::Nfd, text), isNonspacingMark);
  if (bert.lowercase())
    text = lowercase(text);
  return text;
}

absl::StatusOr<std::string> replaceAll(const Regex &pattern, absl::string_view content,
                                       absl::string_view text) {
  std::string result;
  size_t kept = 0;
  absl::Status status = pattern.forEachMatch(text, [&](Regex::Match match) {
    absl::StrAppend(&result, text.substr(kept, match.start - kept), content);
    kept = match.end;
    return result.size() > kMaxNormalizedBytes
               ? absl::ResourceExhaustedError("Replace makes a text of more than 256 MiB")
               : absl::OkStatus();
  });
  if (!status.ok())
    return status;
  absl::StrAppend(&result, text.substr(kept));
  return result;
}

std::string strip(const NormalizerStep::Strip &sides, absl::string_view text) {
  while (sides.left() && !text.empty() && isWhiteSpace(decodeFront(text).character))
    text.remove_prefix(decodeFront(text).length);
  while (sides.right() && !text.empty() && isWhiteSpace(decodeBack(text).character))
    text.remove_suffix(decodeBack(text).length);
  return std::string(text);
}

} // namespace

absl::StatusOr<Normalizer>
Normalizer::create(const google::protobuf::RepeatedPtrField<NormalizerStep> &protoSteps) {
  Normalizer normalizer;
  for (const NormalizerStep &proto : protoSteps) {
    absl::StatusOr<Step> step = createStep(proto);
    if (!step.ok())
      return absl::Status(step.status().code(), absl::StrCat("normalizer: ", step.status().message()));
    normalizer.steps.push_back(*std::move(step));
  }
  return normalizer;
}

absl::StatusOr<Normalizer::Step> Normalizer::createStep(const NormalizerStep &proto) {
  Step step;
  step.step = proto;
  if (proto.kind_case() == NormalizerStep::KIND_NOT_SET ||
      (proto.has_unicode_form() && (proto.unicode_form() < 1 || proto.unicode_form() > 4)))
    return absl::InvalidArgumentError("a step of unknown kind");
  if (proto.has_replace()) {
    const Pattern &pattern = proto.replace().pattern();
    if (pattern.literal().empty() && pattern.regex().empty())
      return absl::InvalidArgumentError("Replace has an empty pattern");
    absl::StatusOr<Regex> regex =
        pattern.has_regex() ? Regex::create(pattern.regex()) : Regex::createLiteral(pattern.literal());
    if (!regex.ok())
      return absl::Status(regex.status().code(), absl::StrCat("Replace: ", regex.status().message()));
    step.pattern = *std::move(regex);
  }
  if (proto.has_precompiled()) {
    absl::StatusOr<CharacterMap> rules = CharacterMap::create(proto.precompiled().charsmap());
    if (!rules.ok())
      return rules.status();
    step.rules = *std::move(rules);
    step.step.mutable_precompiled()->Clear();
  }
  if (proto.has_sentence_piece()) {
    absl::StatusOr<SentencePieceNormalizer> normalizer =
        SentencePieceNormalizer::create(proto.sentence_piece());
    if (!normalizer.ok())
      return normalizer.status();
    step.sentencePiece = *std::move(normalizer);
    step.step.mutable_sentence_piece()->Clear();
  }
  return step;
}

absl::StatusOr<std::string> Normalizer::normalize(absl::string_view text, bool atTextStart) const {
  std::string result(text);
  for (const Step &step : steps) {
    absl::StatusOr<std::string> next = apply(step, std::move(result), atTextStart);
    if (!next.ok())
      return absl::Status(next.status().code(), absl::StrCat("normalizer: ", next.status().message()));
    result = *std::move(next);
  }
  return result;
}

absl::StatusOr<std::string> Normalizer::apply(const Step &step, std::string text, bool atTextStart) {
  const NormalizerStep &proto = step.step;
  switch (proto.kind_case()) {
  case NormalizerStep::kLowercase:
    return lowercase(text);
  case NormalizerStep::kUnicodeForm:
    return normalizeTo(static_cast<UnicodeForm>(proto.unicode_form() - NormalizerStep::NFC), text);
  case NormalizerStep::kStripAccents:
    return removeIf(text, isCombiningMark);
  case NormalizerStep::kBert:
    return normalizeForBert(proto.bert(), std::move(text));
  case NormalizerStep::kReplace:
    return replaceAll(*step.pattern, proto.replace().content(), text);
  case NormalizerStep::kPrepend:
    return text.empty() ? text : absl::StrCat(proto.prepend().content(), text);
  case NormalizerStep::kStrip:
    return strip(proto.strip(), text);
  case NormalizerStep::kPrecompiled:
    return step.rules->applyToClusters(text);
  case NormalizerStep::kSentencePiece:
    return step.sentencePiece->normalize(text, atTextStart);
  case NormalizerStep::KIND_NOT_SET:
    break;
  }
  return absl::InternalError("a step of unknown kind");
}

} // namespace llmc::text
