//===- PreTokenizer.h - cutting text into words ---------------------------===//

#ifndef LLMC_TEXT_PRE_TOKENIZER_H
#define LLMC_TEXT_PRE_TOKENIZER_H

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "runtime/text/Regex.h"
#include "runtime/text/Rewriting.h"
#include "runtime/text/tokenizer.pb.h"

namespace llmc::text {

/// The pieces that a text is cut into. They view the text or the strings kept here.
struct Pieces {
  explicit Pieces(Tracking tracking = Tracking::Off) : tracking(tracking) {}

  /// From where in the text a part of a piece comes. Only with Tracking::On.
  ByteRange originOf(absl::string_view part) const;
  /// Keeps a string that was made of `source`, which is in the text or in a string kept before.
  absl::string_view keep(Rewriting &&made, absl::string_view source);
  void clear();

  std::vector<absl::string_view> views;
  absl::string_view text;
  std::deque<std::string> owned;
  Tracking tracking;

private:
  std::map<const char *, Origins> origins; ///< of the strings in `owned`, by where they begin
};

/// A sequence of cuttings of text, each as the step of its name in tokenizer.json. Thread-safe.
class PreTokenizer {
public:
  /// Fails if a step is of unknown kind or its pattern is not supported.
  static absl::StatusOr<PreTokenizer>
  create(const google::protobuf::RepeatedPtrField<PreTokenizerStep> &steps);

  /// Whether the pieces are byte strings for byte-level BPE, because the last step is ByteLevel.
  bool yieldsBytes() const { return bytes; }

  /// Cuts `text` (valid UTF-8) and leaves the pieces in `pieces`, none of them empty. `atTextStart`: nothing,
  /// not even an added token, precedes it.
  absl::Status split(absl::string_view text, bool atTextStart, Pieces &pieces) const;

private:
  /// A part of a text, and whether it matched the pattern of the step.
  struct Span {
    size_t start; // bytes
    size_t end;
    bool match;
  };
  struct Step {
    PreTokenizerStep step;
    std::optional<Regex> pattern; // of Split, ByteLevel and Metaspace
  };
  static absl::StatusOr<Step> createStep(const PreTokenizerStep &step);
  static absl::Status findSpans(const Regex &pattern, absl::string_view text, std::vector<Span> &spans);
  static absl::Status cut(const Step &step, absl::string_view piece, std::vector<Span> &spans,
                          PreTokenizerStep::Behavior &behavior);
  static void applyBehavior(PreTokenizerStep::Behavior behavior, std::vector<Span> &spans);
  absl::Status applyStep(const Step &step, bool last, absl::string_view piece, bool atTextStart,
                         std::vector<Span> &spans, std::vector<absl::string_view> &next,
                         Pieces &pieces) const;

  std::vector<Step> steps;
  bool bytes = false;
};

} // namespace llmc::text

#endif
