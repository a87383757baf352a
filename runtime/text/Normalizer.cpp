//===- Normalizer.cpp - what happens to text before it is cut -------------===//

#include "runtime/text/Normalizer.h"

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

#include "runtime/text/CharacterMap.h"
#include "runtime/text/Regex.h"
#include "runtime/text/SentencePieceNormalizer.h"
#include "runtime/text/Unicode.h"

namespace llmc::text {

namespace {

// A pattern that matches everywhere with a long replacement must not fill the memory.
constexpr size_t kMaxNormalizedBytes = 256 * 1024 * 1024;

void lowercase(absl::string_view text, Rewriting &out) {
  out.text.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    DecodedCharacter front = decodeFront(text.substr(at));
    appendLowercase(out.text, front.character);
    out.cameFrom(at, at + front.length);
    at += front.length;
  }
}

template <typename Predicate> void removeIf(absl::string_view text, Predicate predicate, Rewriting &out) {
  out.text.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    DecodedCharacter front = decodeFront(text.substr(at));
    if (!predicate(front.character))
      out.copy(text, at, at + front.length);
    at += front.length;
  }
}

/// Removes control characters and turns each white space into a space; puts spaces around Chinese characters.
void cleanForBert(absl::string_view text, bool cleanText, bool spaceChinese, Rewriting &out) {
  out.text.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    DecodedCharacter front = decodeFront(text.substr(at));
    char32_t c = front.character;
    if (cleanText && (c == 0 || c == 0xFFFD || isBertControl(c))) {
      // Gone.
    } else if (cleanText && isWhiteSpace(c)) {
      out.text.push_back(' ');
    } else if (spaceChinese && isBertChinese(c)) {
      out.text.push_back(' ');
      out.text.append(text.data() + at, front.length);
      out.text.push_back(' ');
    } else {
      out.text.append(text.data() + at, front.length);
    }
    out.cameFrom(at, at + front.length);
    at += front.length;
  }
}

absl::Status replaceAll(const Regex &pattern, absl::string_view content, absl::string_view text,
                        Rewriting &out) {
  size_t kept = 0;
  absl::Status status = pattern.forEachMatch(text, [&](Regex::Match match) {
    out.copy(text, kept, match.start);
    out.text.append(content.data(), content.size());
    out.cameFrom(match.start, match.end);
    kept = match.end;
    return out.text.size() > kMaxNormalizedBytes
               ? absl::ResourceExhaustedError("Replace makes a text of more than 256 MiB")
               : absl::OkStatus();
  });
  out.copy(text, kept, text.size());
  return status;
}

void strip(const NormalizerStep::Strip &sides, absl::string_view text, Rewriting &out) {
  absl::string_view rest = text;
  while (sides.left() && !rest.empty() && isWhiteSpace(decodeFront(rest).character))
    rest.remove_prefix(decodeFront(rest).length);
  while (sides.right() && !rest.empty() && isWhiteSpace(decodeBack(rest).character))
    rest.remove_suffix(decodeBack(rest).length);
  const size_t begin = rest.data() - text.data();
  out.copy(text, begin, begin + rest.size());
}

void prepend(absl::string_view content, absl::string_view text, Rewriting &out) {
  if (!text.empty())
    out.text.assign(content.data(), content.size());
  out.cameFrom(0, 0);
  out.copy(text, 0, text.size());
}

template <typename Step> auto neverFails(Step step) {
  return [step](absl::string_view text, bool /*atTextStart*/, Rewriting &out) {
    step(text, out);
    return absl::OkStatus();
  };
}

} // namespace

absl::StatusOr<Normalizer>
Normalizer::create(const google::protobuf::RepeatedPtrField<NormalizerStep> &protoSteps) {
  Normalizer normalizer;
  for (const NormalizerStep &proto : protoSteps) {
    if (absl::Status status = normalizer.addStep(proto); !status.ok())
      return absl::Status(status.code(), absl::StrCat("normalizer: ", status.message()));
  }
  return normalizer;
}

absl::Status Normalizer::addStep(const NormalizerStep &proto) {
  auto add = [&](auto step) { steps.push_back(neverFails(step)); };
  switch (proto.kind_case()) {
  case NormalizerStep::kLowercase:
    add(lowercase);
    return absl::OkStatus();
  case NormalizerStep::kUnicodeForm: {
    if (proto.unicode_form() < NormalizerStep::NFC || proto.unicode_form() > NormalizerStep::NFKD)
      break;
    const auto form = static_cast<UnicodeForm>(proto.unicode_form() - NormalizerStep::NFC);
    add([form](absl::string_view text, Rewriting &out) { normalizeTo(form, text, out); });
    return absl::OkStatus();
  }
  case NormalizerStep::kStripAccents:
    add([](absl::string_view text, Rewriting &out) { removeIf(text, isCombiningMark, out); });
    return absl::OkStatus();
  case NormalizerStep::kBert:
    addBert(proto.bert());
    return absl::OkStatus();
  case NormalizerStep::kReplace:
    return addReplace(proto.replace());
  case NormalizerStep::kPrepend:
    add([content = proto.prepend().content()](absl::string_view text, Rewriting &out) {
      prepend(content, text, out);
    });
    return absl::OkStatus();
  case NormalizerStep::kStrip:
    add([sides = proto.strip()](absl::string_view text, Rewriting &out) { strip(sides, text, out); });
    return absl::OkStatus();
  case NormalizerStep::kPrecompiled:
    return addPrecompiled(proto.precompiled());
  case NormalizerStep::kSentencePiece:
    return addSentencePiece(proto.sentence_piece());
  case NormalizerStep::KIND_NOT_SET:
    break;
  }
  return absl::InvalidArgumentError("a step of unknown kind");
}

absl::Status Normalizer::addPrecompiled(const NormalizerStep::Precompiled &precompiled) {
  absl::StatusOr<CharacterMap> rules = CharacterMap::create(precompiled.charsmap());
  if (!rules.ok())
    return rules.status();
  steps.push_back(
      neverFails([rules = std::make_shared<CharacterMap>(*std::move(rules))](
                     absl::string_view text, Rewriting &out) { rules->applyToClusters(text, out); }));
  return absl::OkStatus();
}

absl::Status Normalizer::addSentencePiece(const NormalizerStep::SentencePiece &sentencePiece) {
  absl::StatusOr<SentencePieceNormalizer> normalizer = SentencePieceNormalizer::create(sentencePiece);
  if (!normalizer.ok())
    return normalizer.status();
  brokenUtf8 |= steps.empty();
  steps.push_back([normalizer = std::make_shared<SentencePieceNormalizer>(*std::move(normalizer))](
                      absl::string_view text, bool atTextStart, Rewriting &out) {
    normalizer->normalize(text, atTextStart, out);
    return absl::OkStatus();
  });
  return absl::OkStatus();
}

absl::Status Normalizer::addReplace(const NormalizerStep::Replace &replace) {
  const Pattern &pattern = replace.pattern();
  if (pattern.literal().empty() && pattern.regex().empty())
    return absl::InvalidArgumentError("Replace has an empty pattern");
  absl::StatusOr<Regex> regex =
      pattern.has_regex() ? Regex::create(pattern.regex()) : Regex::createLiteral(pattern.literal());
  if (!regex.ok())
    return absl::Status(regex.status().code(), absl::StrCat("Replace: ", regex.status().message()));
  steps.push_back([regex = std::make_shared<Regex>(*std::move(regex)),
                   content = replace.content()](absl::string_view text, bool, Rewriting &out) {
    return replaceAll(*regex, content, text, out);
  });
  return absl::OkStatus();
}

void Normalizer::addBert(const NormalizerStep::Bert &bert) {
  auto add = [&](auto step) { steps.push_back(neverFails(step)); };
  if (bert.clean_text() || bert.handle_chinese_chars())
    add([clean = bert.clean_text(), chinese = bert.handle_chinese_chars()](
            absl::string_view text, Rewriting &out) { cleanForBert(text, clean, chinese, out); });
  if (bert.strip_accents()) {
    add([](absl::string_view text, Rewriting &out) { normalizeTo(UnicodeForm::Nfd, text, out); });
    add([](absl::string_view text, Rewriting &out) { removeIf(text, isNonspacingMark, out); });
  }
  if (bert.lowercase())
    add(lowercase);
}

absl::StatusOr<std::string> Normalizer::normalize(absl::string_view text, bool atTextStart,
                                                  Origins *origins) const {
  std::string result(text);
  for (const Step &step : steps) {
    Rewriting next(origins ? Tracking::On : Tracking::Off);
    if (absl::Status status = step(result, atTextStart, next); !status.ok())
      return absl::Status(status.code(), absl::StrCat("normalizer: ", status.message()));
    result = std::move(next.text);
    if (!origins)
      continue;
    for (ByteRange &range : next.origins)
      range = originOf(*origins, range);
    *origins = std::move(next.origins);
  }
  return result;
}

} // namespace llmc::text
