//===- Generator.h - the loop that writes text --------------------------------------------------------===//
#ifndef LLMC_RUNTIME_CORE_GENERATOR_H
#define LLMC_RUNTIME_CORE_GENERATOR_H

#include "runtime/core/BeamSearch.h"
#include "runtime/core/LogProbabilities.h"
#include "runtime/core/Sampler.h"
#include "runtime/core/TokenSequence.h"
#include "runtime/core/artifact.pb.h"

#include "absl/functional/function_ref.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace llmc::runtime {

/// A smaller model that proposes tokens, which the model checks at once (Speculation.h). Both have the same
/// tokens.
struct DraftOptions {
  TokenSequence *sequence = nullptr; ///< null: there is none
  int32_t tokens = 4;                ///< that are proposed at a time
};

/// How to continue a sequence, and when to end. The default is the most likely token each time until the
/// context is full.
struct GenerationOptions {
  SamplingOptions sampling;
  /// With more than one beam nothing is sampled: the temperature is 0, and of the other options of sampling
  /// only the repetition penalty has an effect.
  BeamOptions beams;
  TokenRules rules;
  /// At most so many new tokens. 0: until a stop token or the end of the context.
  int64_t maxTokens = 0;
  /// Ids that end the generation; they are neither reported nor part of the result.
  std::vector<int32_t> stopTokens;
  /// Tells the log probability of each token, and so many of the most likely ones. None: tells nothing.
  std::optional<int32_t> logProbabilities;
  /// When the context is full, or the prompt is too long for it, goes on with the so many first tokens of the
  /// sequence and the later half of the others, which are computed again at their new positions. None: ends.
  std::optional<int64_t> keepOnShift;
  DraftOptions draft;
};

/// Why a generation ended.
enum class FinishReason {
  StopToken, ///< the model ended
  MaxTokens, ///< `maxTokens` were made
  Context,   ///< the context is full
  Caller,    ///< the callback said so
};

/// The options that a model's authors recommend; greedy where they recommend no temperature.
SamplingOptions recommendedSampling(const GenerationDefaults &defaults);
/// The same of beams; one where they recommend no number.
BeamOptions recommendedBeams(const GenerationDefaults &defaults);
/// What a model's authors demand.
TokenRules demandedRules(const GenerationDefaults &defaults);

/// "stop", "length", "context", "cancelled".
absl::string_view nameOf(FinishReason reason);

/// What a generation took. Times are wall-clock seconds.
struct GenerationStats {
  int64_t promptTokens = 0;       ///< tokens of the prompt that had to be computed
  int64_t reusedTokens = 0;       ///< the others, which the sequence had already
  double promptSeconds = 0;       ///< for those
  double firstTokenSeconds = 0;   ///< from the call until the first token was known
  int64_t decodedTokens = 0;      ///< tokens after the first
  double decodeSeconds = 0;       ///< for those, with sampling and callbacks
  int64_t shifts = 0;             ///< how often the context was made room in
  int64_t proposedTokens = 0;     ///< by the draft
  int64_t acceptedTokens = 0;     ///< of those
  uint64_t peakResidentBytes = 0; ///< of this process since it began, mapped weights included

  double promptTokensPerSecond() const { return promptSeconds > 0 ? promptTokens / promptSeconds : 0; }
  double decodedTokensPerSecond() const { return decodeSeconds > 0 ? decodedTokens / decodeSeconds : 0; }
};

/// What a generation made.
struct Generation {
  std::vector<int32_t> tokens;    ///< what was made
  std::vector<TokenScore> scores; ///< of each token, if that was asked for
  FinishReason reason = FinishReason::StopToken;
  GenerationStats stats;
};

/// Makes `prompt` the tokens of `sequence` (TokenSequence::feedSequence) and continues them. `onToken` is
/// called for each new token as soon as it is known (with beams: when all are), and ends the generation by
/// returning false. The last token made is not fed. Beams, log probabilities, shifts and drafts: beams
/// exclude the others, and models that read a source have neither shifts nor drafts.
absl::StatusOr<Generation> generate(TokenSequence &sequence, absl::Span<const int32_t> prompt,
                                    const GenerationOptions &options,
                                    absl::FunctionRef<bool(int32_t token)> onToken);

/// The most memory that this process has had in use since it began, in bytes.
uint64_t peakResidentBytes();

} // namespace llmc::runtime

#endif // LLMC_RUNTIME_CORE_GENERATOR_H
