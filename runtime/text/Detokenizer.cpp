//===- Detokenizer.cpp - tokens to text, one at a time --------------------===//

#include "runtime/text/Detokenizer.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"

#include "runtime/text/ByteLevelAlphabet.h"
#include "runtime/text/Unicode.h"

namespace llmc::text {

namespace {

constexpr absl::string_view kReplacement = "\xEF\xBF\xBD"; // U+FFFD

/// Removes the spaces that English text does not have. The replacements are made one after the other.
std::string cleanUp(std::string text) {
  static constexpr std::pair<absl::string_view, absl::string_view> kReplacements[] = {
      {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
      {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (const auto &replacement : kReplacements)
    text = absl::StrReplaceAll(text, {replacement});
  return text;
}

/// The byte that a token <0xNN> stands for.
std::optional<char> byteOfToken(absl::string_view token) {
  if (token.size() != 6 || !absl::ConsumePrefix(&token, "<0x") || !absl::ConsumeSuffix(&token, ">") ||
      token.size() != 2)
    return std::nullopt;
  uint32_t byte = 0;
  if (!absl::ascii_isxdigit(static_cast<unsigned char>(token[0])) || !absl::SimpleHexAtoi(token, &byte))
    return std::nullopt;
  return static_cast<char>(byte);
}

} // namespace

/// `token` with `marker` as `with`.
static std::string replaceMarker(absl::string_view token, const std::string &marker, absl::string_view with) {
  return marker.empty() ? std::string(token) : absl::StrReplaceAll(token, {{marker, with}});
}

std::string bytesOfToken(const Decoder &decoder, absl::string_view token, TokenPlace place) {
  const bool isFirst = place == TokenPlace::Start;
  switch (decoder.kind_case()) {
  case Decoder::kByteLevel: {
    std::optional<std::string> bytes = bytesOfByteLevel(token);
    return bytes ? *std::move(bytes) : std::string(token);
  }
  case Decoder::kWordPiece:
    if (isFirst || absl::ConsumePrefix(&token, decoder.word_piece().prefix()))
      return std::string(token);
    return absl::StrCat(" ", token);
  case Decoder::kPieces: {
    const Decoder::Pieces &pieces = decoder.pieces();
    if (std::optional<char> byte = byteOfToken(token); byte && pieces.byte_fallback())
      return std::string(1, *byte);
    std::string text = replaceMarker(token, pieces.marker(), " ");
    const size_t stripped = std::min<size_t>(isFirst ? pieces.strip_left() : 0, text.find_first_not_of(' '));
    return text.substr(std::min(stripped, text.size()));
  }
  case Decoder::kMetaspace: {
    const Decoder::Metaspace &metaspace = decoder.metaspace();
    return replaceMarker(token, metaspace.marker(), isFirst && metaspace.drop_first() ? "" : " ");
  }
  case Decoder::kSpaces:
  case Decoder::KIND_NOT_SET:
    break;
  }
  return isFirst ? std::string(token) : absl::StrCat(" ", token);
}

Detokenizer::Detokenizer(const Decoder &decoder) : decoder(decoder), toStrip(decoder.pieces().strip_left()) {}

std::string Detokenizer::push(absl::string_view token) {
  const TokenPlace place = std::exchange(first, false) ? TokenPlace::Start : TokenPlace::Inside;
  if (decoder.kind_case() == Decoder::kPieces)
    return pushPiece(token);
  std::string text = bytesOfToken(decoder, token, place);
  if (decoder.kind_case() == Decoder::kByteLevel) {
    heldBytes += text;
    return completeCharacters();
  }
  const bool cleans = decoder.kind_case() == Decoder::kWordPiece && decoder.word_piece().cleanup();
  return cleans ? cleanUp(std::move(text)) : text;
}

std::string Detokenizer::finish() {
  if (decoder.kind_case() == Decoder::kPieces)
    return stripLeft(flushByteRun());
  // What is held is the front of one character.
  return std::exchange(heldBytes, "").empty() ? std::string() : std::string(kReplacement);
}

std::string Detokenizer::completeCharacters() {
  std::string text;
  absl::string_view rest = heldBytes;
  while (!rest.empty()) {
    Utf8Step step = stepUtf8(rest);
    if (step.kind == Utf8Step::Kind::Incomplete)
      break;
    absl::StrAppend(&text,
                    step.kind == Utf8Step::Kind::Character ? rest.substr(0, step.length) : kReplacement);
    rest.remove_prefix(step.length);
  }
  heldBytes.erase(0, heldBytes.size() - rest.size());
  return text;
}

std::string Detokenizer::pushPiece(absl::string_view token) {
  if (std::optional<char> byte = byteOfToken(token); byte && decoder.pieces().byte_fallback()) {
    heldBytes.push_back(*byte);
    return "";
  }
  // What is stripped may be spread over tokens.
  return stripLeft(absl::StrCat(flushByteRun(), bytesOfToken(decoder, token, TokenPlace::Inside)));
}

/// A run of byte tokens is text if it is valid as a whole; else each byte is U+FFFD.
std::string Detokenizer::flushByteRun() {
  std::string run = std::exchange(heldBytes, "");
  if (isValidUtf8(run))
    return run;
  std::string text;
  for (size_t i = 0; i < run.size(); ++i)
    absl::StrAppend(&text, kReplacement);
  return text;
}

std::string Detokenizer::stripLeft(std::string text) {
  size_t spaces = 0;
  while (toStrip > 0 && spaces < text.size() && text[spaces] == ' ')
    ++spaces, --toStrip;
  if (spaces < text.size())
    toStrip = 0;
  return text.substr(spaces);
}

} // namespace llmc::text
