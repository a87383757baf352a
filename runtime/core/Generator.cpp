#include "runtime/core/Generator.h"

#include "runtime/core/Speculation.h"
#include "runtime/core/TokenChooser.h"

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <optional>
#include <string>

namespace llmc::runtime {

SamplingOptions recommendedSampling(const GenerationDefaults &defaults) {
  SamplingOptions options;
  if (defaults.has_temperature())
    options.temperature = defaults.temperature();
  if (defaults.has_top_k())
    options.topK = static_cast<int32_t>(std::min<uint32_t>(defaults.top_k(), INT32_MAX));
  if (defaults.has_top_p())
    options.topP = defaults.top_p();
  if (defaults.has_min_p())
    options.minP = defaults.min_p();
  if (defaults.has_repetition_penalty())
    options.repetitionPenalty = defaults.repetition_penalty();
  return options;
}

BeamOptions recommendedBeams(const GenerationDefaults &defaults) {
  BeamOptions options;
  if (defaults.has_beams())
    options.count = static_cast<int32_t>(std::min<uint32_t>(defaults.beams(), kMostBeams));
  if (defaults.has_length_penalty())
    options.lengthPenalty = defaults.length_penalty();
  if (defaults.early_stopping() == GenerationDefaults::YES)
    options.earlyStopping = EarlyStopping::Yes;
  else if (defaults.early_stopping() == GenerationDefaults::NEVER)
    options.earlyStopping = EarlyStopping::Never;
  return options;
}

TokenRules demandedRules(const GenerationDefaults &defaults) {
  TokenRules rules;
  rules.suppressed.assign(defaults.suppressed_ids().begin(), defaults.suppressed_ids().end());
  if (defaults.has_first_id())
    rules.first = static_cast<int32_t>(defaults.first_id());
  if (defaults.has_last_id())
    rules.last = static_cast<int32_t>(defaults.last_id());
  rules.noRepeat = static_cast<int32_t>(std::min<uint32_t>(defaults.no_repeat(), INT32_MAX));
  rules.minTokens = defaults.min_tokens();
  return rules;
}

absl::string_view nameOf(FinishReason reason) {
  switch (reason) {
  case FinishReason::StopToken:
    return "stop";
  case FinishReason::MaxTokens:
    return "length";
  case FinishReason::Context:
    return "context";
  case FinishReason::Caller:
    return "cancelled";
  }
  return "";
}

uint64_t peakResidentBytes() {
  // Not getrusage(): its figure begins with that of the program that started this one.
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    absl::string_view text = line;
    uint64_t kibibytes;
    if (absl::ConsumePrefix(&text, "VmHWM:") && absl::ConsumeSuffix(&text, "kB") &&
        absl::SimpleAtoi(absl::StripAsciiWhitespace(text), &kibibytes))
      return kibibytes * 1024;
  }
  return 0;
}

using Clock = std::chrono::steady_clock;

static double secondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Continues `sequence`, which gives `logits` next, by a search. Sets all of `result` but what is known of
/// the prompt.
static absl::Status generateByBeams(TokenSequence &sequence, absl::Span<const float> logits,
                                    const GenerationOptions &options, Generation &result,
                                    absl::FunctionRef<bool(int32_t token)> onToken) {
  // The last token is not fed, so there may be one more than the context has room for.
  int64_t most = sequence.contextLength() - static_cast<int64_t>(sequence.history().size()) + 1;
  const bool endsByContext = options.maxTokens == 0 || most < options.maxTokens;
  if (!endsByContext)
    most = options.maxTokens;
  const auto start = Clock::now();
  absl::StatusOr<BeamResult> found = searchBeams(
      sequence, logits,
      {options.beams, most, options.stopTokens, options.sampling.repetitionPenalty, options.rules});
  if (!found.ok())
    return found.status();
  result.stats.decodedTokens = static_cast<int64_t>(found->tokens.size());
  result.stats.decodeSeconds = secondsSince(start);
  result.reason = found->isEnded  ? FinishReason::StopToken
                  : endsByContext ? FinishReason::Context
                                  : FinishReason::MaxTokens;
  for (int32_t token : found->tokens) {
    result.tokens.push_back(token);
    if (!onToken(token)) {
      result.reason = FinishReason::Caller;
      break;
    }
  }
  return absl::OkStatus();
}

/// `tokens` without the first half of those behind the first `keep`, so that there is room in a context of
/// `context` tokens.
static std::vector<int32_t> shifted(absl::Span<const int32_t> tokens, int64_t keep, int64_t context) {
  // Half of what may move: of a prompt that is longer than the context, what would fit there.
  const int64_t movable = std::min(static_cast<int64_t>(tokens.size()), context) - keep;
  std::vector<int32_t> result(tokens.begin(), tokens.begin() + keep);
  const absl::Span<const int32_t> tail = tokens.last(std::max<int64_t>(1, movable / 2));
  result.insert(result.end(), tail.begin(), tail.end());
  return result;
}

namespace {

/// The loop that writes a text token by token.
class Writing {
public:
  Writing(TokenSequence &sequence, const GenerationOptions &options,
          absl::FunctionRef<bool(int32_t token)> onToken, Generation &result)
      : sequence(sequence), options(options), onToken(onToken), result(result),
        chooser(options, sequence.vocabularySize()) {
    if (options.draft.sequence != nullptr)
      speculation.emplace(sequence, chooser, options);
  }

  /// Continues the sequence, which gives `logits` next. Sets all of `result` but what is known of the prompt.
  absl::Status run(absl::Span<const float> logits, Clock::time_point start) {
    if (absl::Status status = chooseNext(logits); !status.ok())
      return status;
    result.stats.firstTokenSeconds = secondsSince(start);
    const Clock::time_point firstToken = Clock::now();
    while (true) {
      absl::StatusOr<std::optional<FinishReason>> reason = acceptDecided();
      if (!reason.ok())
        return reason.status();
      if (*reason) {
        result.reason = **reason;
        break;
      }
      if (absl::Status status = decide(); !status.ok())
        return status;
      result.stats.decodeSeconds = secondsSince(firstToken);
    }
    --result.stats.decodedTokens; // the first one was not
    if (speculation) {
      result.stats.proposedTokens = speculation->proposed();
      result.stats.acceptedTokens = speculation->accepted();
    }
    return absl::OkStatus();
  }

private:
  int64_t fed() const { return static_cast<int64_t>(sequence.history().size()); }

  /// Decides on what comes next by the logits of the last token that was fed.
  absl::Status chooseNext(absl::Span<const float> logits) {
    absl::StatusOr<int32_t> token = chooser.choose(logits, sequence.history(), result.tokens);
    if (!token.ok())
      return token.status();
    decided = {*token};
    decidedFrom = logits;
    precedes = fed();
    return absl::OkStatus();
  }

  /// Feeds the last token made and decides on one or more that come next.
  absl::Status decide() {
    if (needsShift)
      return shift();
    if (!speculation) {
      absl::StatusOr<absl::Span<const float>> logits =
          sequence.feed(absl::MakeConstSpan(result.tokens).last(1));
      return logits.ok() ? chooseNext(*logits) : logits.status();
    }
    precedes = fed() + 1;
    int64_t most = std::min<int64_t>(options.draft.tokens, sequence.contextLength() - precedes);
    if (options.maxTokens > 0)
      most = std::min(most, options.maxTokens - static_cast<int64_t>(result.tokens.size()) - 1);
    absl::StatusOr<Speculation::Step> step = speculation->run(most, result.tokens);
    if (!step.ok())
      return step.status();
    decided = std::move(step->tokens);
    decidedFrom = step->logits;
    return absl::OkStatus();
  }

  /// Adds what was decided to the text, up to what ends it, and cuts the sequence behind the last but one
  /// token of the text; says why nothing comes after it.
  absl::StatusOr<std::optional<FinishReason>> acceptDecided() {
    const size_t rows = fed() - precedes + 1, width = decidedFrom.size() / rows;
    std::optional<FinishReason> reason;
    int64_t kept = precedes;
    for (size_t i = 0; i < decided.size() && !reason; ++i) {
      kept = precedes + static_cast<int64_t>(i);
      ++result.stats.decodedTokens;
      absl::StatusOr<std::optional<FinishReason>> end =
          accept(decided[i], decidedFrom.subspan(i * width, width), kept);
      if (!end.ok())
        return end;
      reason = *end;
    }
    if (kept < fed())
      sequence.truncate(kept);
    return reason;
  }

  /// Adds `token`, which was chosen by `logits` and has `position` tokens before it.
  absl::StatusOr<std::optional<FinishReason>> accept(int32_t token, absl::Span<const float> logits,
                                                     int64_t position) {
    if (absl::c_linear_search(options.stopTokens, token))
      return FinishReason::StopToken;
    if (options.logProbabilities) {
      absl::StatusOr<TokenScore> score =
          scoreToken(logits.first(sequence.vocabularySize()), token, *options.logProbabilities);
      if (!score.ok())
        return score.status();
      result.scores.push_back(*std::move(score));
    }
    result.tokens.push_back(token);
    if (!onToken(token))
      return FinishReason::Caller;
    if (options.maxTokens > 0 && static_cast<int64_t>(result.tokens.size()) >= options.maxTokens)
      return FinishReason::MaxTokens;
    needsShift = position == sequence.contextLength();
    if (needsShift && !options.keepOnShift)
      return FinishReason::Context;
    return std::nullopt;
  }

  /// Makes room in the context, and decides on what comes next.
  absl::Status shift() {
    std::vector<int32_t> tokens(sequence.history().begin(), sequence.history().end());
    tokens.push_back(result.tokens.back());
    absl::StatusOr<absl::Span<const float>> logits =
        sequence.feedSequence(shifted(tokens, *options.keepOnShift, sequence.contextLength()));
    needsShift = false;
    ++result.stats.shifts;
    return logits.ok() ? chooseNext(*logits) : logits.status();
  }

  TokenSequence &sequence;
  const GenerationOptions &options;
  absl::FunctionRef<bool(int32_t token)> onToken;
  Generation &result;
  TokenChooser chooser;
  std::optional<Speculation> speculation;
  std::vector<int32_t> decided; ///< what comes next, not yet part of the text
  /// Logits from which each of them was chosen, and which are not wanted; [fed() - precedes + 1, width]
  absl::Span<const float> decidedFrom;
  int64_t precedes = 0;    ///< tokens of the sequence before those
  bool needsShift = false; ///< the context has no room for the last token made
};

absl::Status checkOptions(const TokenSequence &sequence, const GenerationOptions &options) {
  if (absl::Status status = checkSamplingOptions(options.sampling); !status.ok())
    return status;
  if (absl::Status status = checkBeamOptions(options.beams); !status.ok())
    return status;
  const auto refuseBeams = [&](const auto &...found) {
    return absl::InvalidArgumentError(
        absl::StrCat("there are ", options.beams.count, " beams and ", found...));
  };
  if (options.beams.count > 1 && options.sampling.temperature != 0)
    return refuseBeams("a temperature of ", options.sampling.temperature,
                       ", expected a temperature of 0: beams are not sampled");
  if (options.beams.count > 1 && (options.logProbabilities || options.keepOnShift || options.draft.sequence))
    return refuseBeams(options.logProbabilities ? "log probabilities"
                       : options.keepOnShift    ? "a context that is shifted"
                                                : "a draft",
                       ", expected one beam");
  if (sequence.readsSource() && (options.keepOnShift || options.draft.sequence))
    return absl::InvalidArgumentError(absl::StrCat(
        "the model reads a source, expected no ", options.keepOnShift ? "context that is shifted" : "draft"));
  if (options.logProbabilities && *options.logProbabilities < 0)
    return absl::InvalidArgumentError(absl::StrCat("log probabilities of ", *options.logProbabilities,
                                                   " tokens are wanted, expected a number from 0"));
  // At least two tokens have to move, so that one can be left and one made.
  if (options.keepOnShift &&
      (*options.keepOnShift < 0 || *options.keepOnShift > sequence.contextLength() - 2))
    return absl::InvalidArgumentError(
        absl::StrCat(*options.keepOnShift, " tokens are to be kept when the context is full, expected 0 to ",
                     sequence.contextLength() - 2));
  if (options.draft.sequence == nullptr)
    return absl::OkStatus();
  if (options.draft.sequence == &sequence)
    return absl::InvalidArgumentError("the draft is the session itself, expected another one");
  if (options.draft.tokens < 1)
    return absl::InvalidArgumentError(
        absl::StrCat("the draft proposes ", options.draft.tokens, " tokens, expected 1 at least"));
  if (options.draft.sequence->readsSource())
    return absl::InvalidArgumentError("the draft reads a source, expected a model that continues its text");
  if (options.draft.sequence->vocabularySize() != sequence.vocabularySize())
    return absl::InvalidArgumentError(absl::StrCat("the draft has ", options.draft.sequence->vocabularySize(),
                                                   " tokens, expected those of the model, which has ",
                                                   sequence.vocabularySize()));
  return absl::OkStatus();
}

} // namespace

absl::StatusOr<Generation> generate(TokenSequence &sequence, absl::Span<const int32_t> prompt,
                                    const GenerationOptions &options,
                                    absl::FunctionRef<bool(int32_t token)> onToken) {
  if (absl::Status status = checkOptions(sequence, options); !status.ok())
    return status;
  Generation result;
  GenerationStats &stats = result.stats;
  const auto start = Clock::now();
  std::vector<int32_t> cut;
  if (options.keepOnShift && static_cast<int64_t>(prompt.size()) > sequence.contextLength()) {
    cut = shifted(prompt, *options.keepOnShift, sequence.contextLength());
    prompt = cut;
    ++stats.shifts;
  }
  stats.reusedTokens = sequence.reusableTokens(prompt);
  stats.promptTokens = static_cast<int64_t>(prompt.size()) - stats.reusedTokens;
  absl::StatusOr<absl::Span<const float>> logits = sequence.feedSequence(prompt);
  if (!logits.ok())
    return logits.status();
  stats.promptSeconds = secondsSince(start);
  if (options.beams.count > 1) {
    if (absl::Status status = generateByBeams(sequence, *logits, options, result, onToken); !status.ok())
      return status;
    stats.firstTokenSeconds = secondsSince(start);
  } else if (absl::Status status = Writing(sequence, options, onToken, result).run(*logits, start);
             !status.ok()) {
    return status;
  }
  stats.peakResidentBytes = peakResidentBytes();
  return result;
}

} // namespace llmc::runtime
