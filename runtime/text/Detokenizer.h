//===- Detokenizer.h - tokens to text, one at a time ----------------------===//

#ifndef LLMC_TEXT_DETOKENIZER_H
#define LLMC_TEXT_DETOKENIZER_H

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

#include "runtime/text/tokenizer.pb.h"

namespace llmc::text {

/// Where in a text a token is: some decoders leave out white space at its start.
enum class TokenPlace { Start, Inside };

/// The bytes of text that a token, as the vocabulary writes it, stands for by itself. They may be part of a
/// character.
std::string bytesOfToken(const Decoder &decoder, absl::string_view token, TokenPlace place);

/// Turns the texts of tokens, as the vocabulary writes them, into text. What it returns over time,
/// concatenated, is valid UTF-8 and what the reference's decoder makes of all the tokens at once. A character
/// whose bytes are spread over tokens is held back until it is whole; bytes that cannot become a character
/// are U+FFFD.
class Detokenizer {
public:
  /// `decoder` must outlive the result.
  explicit Detokenizer(const Decoder &decoder);

  /// The text that `token` completes; may be empty.
  std::string push(absl::string_view token);

  /// The text that was held back when no token follows.
  std::string finish();

private:
  std::string completeCharacters();
  std::string flushByteRun();
  std::string pushPiece(absl::string_view token);
  std::string stripLeft(std::string text);

  const Decoder &decoder;
  bool first = true;
  // Byte-level: an incomplete character. Pieces: the bytes of the <0xNN> tokens seen in a row.
  std::string heldBytes;
  size_t toStrip = 0; // spaces that may still be removed from the front
};

} // namespace llmc::text

#endif
