//===- ByteLevelAlphabet.h - bytes as visible characters ------------------===//
//
// The alphabet of byte-level BPE (Radford et al., 2019): a bijection of the 256 bytes to visible characters,
// so that a vocabulary of byte strings can be written as text.
//
//===----------------------------------------------------------------------===//

#ifndef LLMC_TEXT_BYTE_LEVEL_ALPHABET_H
#define LLMC_TEXT_BYTE_LEVEL_ALPHABET_H

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace llmc::text {

/// The character that stands for `byte`.
char32_t byteLevelCharacter(uint8_t byte);

/// Appends each byte of `bytes` as its character in UTF-8.
void appendByteLevel(std::string &text, absl::string_view bytes);

/// The bytes that the characters of `token` stand for; nothing if one of them stands for no byte.
std::optional<std::string> bytesOfByteLevel(absl::string_view token);

} // namespace llmc::text

#endif
