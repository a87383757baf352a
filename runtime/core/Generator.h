//===- Generator.h - the loop that writes text --------------------------------------------------------===//
#ifndef LLMC_RUNTIME_CORE_GENERATOR_H
#define LLMC_RUNTIME_CORE_GENERATOR_H

#include "runtime/core/BeamSearch.h"
#include "runtime/core/Sampler.h"
#include "runtime/core/TokenSequence.h"
#include "runtime/core/artifact.pb.h"

#include "absl/functional/function_ref.h"

#include <cstdint>
#include <vector>

namespace llmc::runtime {

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
  double promptSeconds = 0;       ///< for those
  double firstTokenSeconds = 0;   ///< from the call until the first token was known
  int64_t decodedTokens = 0;      ///< tokens after the first, each of which took a step of one row
  double decodeSeconds = 0;       ///< for those, with sampling and callbacks
  uint64_t peakResidentBytes = 0; ///< of this process since it began, mapped weights included

  double promptTokensPerSecond() const { return promptSeconds > 0 ? promptTokens / promptSeconds : 0; }
  double decodedTokensPerSecond() const { return decodeSeconds > 0 ? decodedTokens / decodeSeconds : 0; }
};

/// What a generation made.
struct Generation {
  std::vector<int32_t> tokens; ///< what was made
  FinishReason reason = FinishReason::StopToken;
  GenerationStats stats;
};

/// Makes `prompt` the tokens of `sequence` (TokenSequence::feedSequence) and continues them. `onToken` is
/// called for each new token as soon as it is known (with beams: when all are), and ends the generation by
/// returning false. The last token made is not fed.
absl::StatusOr<Generation> generate(TokenSequence &sequence, absl::Span<const int32_t> prompt,
                                    const GenerationOptions &options,
                                    absl::FunctionRef<bool(int32_t token)> onToken);

/// The most memory that this process has had in use since it began, in bytes.
uint64_t peakResidentBytes();

} // namespace llmc::runtime

#endif // LLMC_RUNTIME_CORE_GENERATOR_H
