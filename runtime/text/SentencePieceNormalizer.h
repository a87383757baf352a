//===- SentencePieceNormalizer.h - text as SentencePiece cuts it ----------===//

#ifndef LLMC_TEXT_SENTENCE_PIECE_NORMALIZER_H
#define LLMC_TEXT_SENTENCE_PIECE_NORMALIZER_H

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "runtime/text/CharacterMap.h"
#include "runtime/text/DoubleArray.h"
#include "runtime/text/tokenizer.pb.h"

namespace llmc::text {

/// What SentencePiece does to a text before it cuts it; see NormalizerStep.SentencePiece. Immutable.
class SentencePieceNormalizer {
public:
  /// Fails if the rules are malformed.
  static absl::StatusOr<SentencePieceNormalizer> create(const NormalizerStep::SentencePiece &step);

  /// Writes the normalized form of `text`, which may be broken UTF-8: each byte that is no part of a
  /// character becomes U+FFFD. `atTextStart`: no added token precedes it.
  void normalize(absl::string_view text, bool atTextStart, Rewriting &out) const;

private:
  /// What stands at the front of a text, and what it becomes.
  CharacterMap::Rule front(absl::string_view text) const;
  /// The bytes at the front of a text, characters below 0x80 but spaces, that stay as they are.
  size_t unchangedLength(absl::string_view text) const;

  CharacterMap rules;
  DoubleArray kept;
  NormalizerStep::SentencePiece::DummyPrefix dummyPrefix = NormalizerStep::SentencePiece::NEVER;
  bool removeExtraSpaces = false;
  std::string space; // what a space becomes
};

} // namespace llmc::text

#endif
