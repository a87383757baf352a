//===- ByteLevelAlphabet.cpp - bytes as visible characters ----------------===//

#include "runtime/text/ByteLevelAlphabet.h"

#include <array>

#include "runtime/text/Unicode.h"

namespace llmc::text {

namespace {

constexpr unsigned kCharacters = 256 + 68; // 68 bytes have no visible character of their own

/// Bytes that are visible characters of Latin-1 stand for themselves.
constexpr bool standsForItself(unsigned byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || (byte >= 0xAE && byte <= 0xFF);
}

struct Alphabet {
  std::array<char32_t, 256> characterOf{};
  std::array<int16_t, kCharacters> byteOf{}; // -1: stands for no byte

  constexpr Alphabet() {
    byteOf.fill(-1);
    char32_t next = 256;
    for (unsigned byte = 0; byte < 256; ++byte) {
      characterOf[byte] = standsForItself(byte) ? byte : next++;
      byteOf[characterOf[byte]] = static_cast<int16_t>(byte);
    }
  }
};

constexpr Alphabet kAlphabet;

} // namespace

char32_t byteLevelCharacter(uint8_t byte) { return kAlphabet.characterOf[byte]; }

void appendByteLevel(std::string &text, absl::string_view bytes) {
  for (char byte : bytes)
    appendUtf8(text, byteLevelCharacter(static_cast<uint8_t>(byte)));
}

std::optional<std::string> bytesOfByteLevel(absl::string_view token) {
  std::string bytes;
  bytes.reserve(token.size());
  while (!token.empty()) {
    DecodedCharacter front = decodeFront(token);
    if (front.character >= kCharacters || kAlphabet.byteOf[front.character] < 0)
      return std::nullopt;
    bytes.push_back(static_cast<char>(kAlphabet.byteOf[front.character]));
    token.remove_prefix(front.length);
  }
  return bytes;
}

} // namespace llmc::text
