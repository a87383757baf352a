//===- Normalizer.h - what happens to text before it is cut ---------------===//

#ifndef LLMC_TEXT_NORMALIZER_H
#define LLMC_TEXT_NORMALIZER_H

#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "runtime/text/CharacterMap.h"
#include "runtime/text/Regex.h"
#include "runtime/text/SentencePieceNormalizer.h"
#include "runtime/text/tokenizer.pb.h"

namespace llmc::text {

/// A sequence of rewritings of text, each as the step of its name in tokenizer.json. Thread-safe.
class Normalizer {
public:
  /// Fails if a step is empty or its pattern is not supported.
  static absl::StatusOr<Normalizer> create(const google::protobuf::RepeatedPtrField<NormalizerStep> &steps);

  /// Whether normalize() returns every text as it is.
  bool isIdentity() const { return steps.empty(); }

  /// Whether normalize() makes sense of broken UTF-8 itself.
  bool takesBrokenUtf8() const { return !steps.empty() && steps.front().sentencePiece; }

  /// The normalized form of `text` (valid UTF-8 unless takesBrokenUtf8()). `atTextStart`: no added token
  /// precedes it.
  absl::StatusOr<std::string> normalize(absl::string_view text, bool atTextStart = true) const;

private:
  struct Step {
    NormalizerStep step;
    std::optional<Regex> pattern;                         // of Replace
    std::optional<CharacterMap> rules;                    // of Precompiled
    std::optional<SentencePieceNormalizer> sentencePiece; // of SentencePiece
  };
  static absl::StatusOr<Step> createStep(const NormalizerStep &step);
  static absl::StatusOr<std::string> apply(const Step &step, std::string text, bool atTextStart);

  std::vector<Step> steps;
};

} // namespace llmc::text

#endif
