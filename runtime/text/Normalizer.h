//===- Normalizer.h - what happens to text before it is cut ---------------===//

#ifndef LLMC_TEXT_NORMALIZER_H
#define LLMC_TEXT_NORMALIZER_H

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "runtime/text/Rewriting.h"
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
  bool takesBrokenUtf8() const { return brokenUtf8; }

  /// The normalized form of `text` (valid UTF-8 unless takesBrokenUtf8()). `atTextStart`: no added token
  /// precedes it.
  absl::StatusOr<std::string> normalize(absl::string_view text, bool atTextStart = true) const {
    return normalize(text, atTextStart, nullptr);
  }

  /// The same, and from where in `text` each byte comes.
  absl::StatusOr<std::string> normalize(absl::string_view text, bool atTextStart, Origins &origins) const {
    return normalize(text, atTextStart, &origins);
  }

private:
  using Step = std::function<absl::Status(absl::string_view text, bool atTextStart, Rewriting &out)>;
  absl::StatusOr<std::string> normalize(absl::string_view text, bool atTextStart, Origins *origins) const;
  absl::Status addStep(const NormalizerStep &proto);
  absl::Status addReplace(const NormalizerStep::Replace &replace);
  absl::Status addPrecompiled(const NormalizerStep::Precompiled &precompiled);
  absl::Status addSentencePiece(const NormalizerStep::SentencePiece &sentencePiece);
  void addBert(const NormalizerStep::Bert &bert);

  bool brokenUtf8 = false;

  std::vector<Step> steps;
};

} // namespace llmc::text

#endif
