#include "runtime/core/Generator.h"

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

/// Adds `token` to `made` and reports it, unless it ends the generation; says why if nothing comes after it.
static std::optional<FinishReason> accept(int32_t token, const GenerationOptions &options,
                                          const TokenSequence &sequence, std::vector<int32_t> &made,
                                          absl::FunctionRef<bool(int32_t token)> onToken) {
  if (absl::c_linear_search(options.stopTokens, token))
    return FinishReason::StopToken;
  made.push_back(token);
  if (!onToken(token))
    return FinishReason::Caller;
  if (options.maxTokens > 0 && static_cast<int64_t>(made.size()) >= options.maxTokens)
    return FinishReason::MaxTokens;
  if (static_cast<int64_t>(sequence.history().size()) == sequence.contextLength())
    return FinishReason::Context;
  return std::nullopt;
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

absl::StatusOr<Generation> generate(TokenSequence &sequence, absl::Span<const int32_t> prompt,
                                    const GenerationOptions &options,
                                    absl::FunctionRef<bool(int32_t token)> onToken) {
  if (absl::Status status = checkSamplingOptions(options.sampling); !status.ok())
    return status;
  if (absl::Status status = checkBeamOptions(options.beams); !status.ok())
    return status;
  if (options.beams.count > 1 && options.sampling.temperature != 0)
    return absl::InvalidArgumentError(
        absl::StrCat("there are ", options.beams.count, " beams and a temperature of ",
                     options.sampling.temperature, ", expected a temperature of 0: beams are not sampled"));
  const size_t vocabulary = sequence.vocabularySize();
  Sampler sampler(options.sampling);
  Generation result;
  GenerationStats &stats = result.stats;

  const auto start = Clock::now();
  stats.promptTokens = static_cast<int64_t>(prompt.size()) - sequence.reusableTokens(prompt);
  absl::StatusOr<absl::Span<const float>> logits = sequence.feedSequence(prompt);
  if (!logits.ok())
    return logits.status();
  stats.promptSeconds = secondsSince(start);
  if (options.beams.count > 1) {
    if (absl::Status status = generateByBeams(sequence, *logits, options, result, onToken); !status.ok())
      return status;
    stats.firstTokenSeconds = secondsSince(start);
    stats.peakResidentBytes = peakResidentBytes();
    return result;
  }

  Clock::time_point firstToken;
  std::vector<float> allowed;
  for (bool isFirst = true;; isFirst = false) {
    // Widths beyond the vocabulary are padding.
    absl::Span<const float> scores = logits->first(vocabulary);
    if (!options.rules.isEmpty()) {
      allowed.assign(scores.begin(), scores.end());
      options.rules.apply(absl::MakeSpan(allowed), sequence.history(),
                          static_cast<int64_t>(result.tokens.size()), options.maxTokens, options.stopTokens);
      scores = allowed;
    }
    absl::StatusOr<int32_t> token = sampler.sample(scores, sequence.history());
    if (!token.ok())
      return token.status();
    if (isFirst) {
      stats.firstTokenSeconds = secondsSince(start);
      firstToken = Clock::now();
    } else {
      ++stats.decodedTokens;
      stats.decodeSeconds = secondsSince(firstToken);
    }
    if (std::optional<FinishReason> reason = accept(*token, options, sequence, result.tokens, onToken)) {
      result.reason = *reason;
      break;
    }
    logits = sequence.feed(absl::MakeConstSpan(&*token, 1));
    if (!logits.ok())
      return logits.status();
  }
  stats.peakResidentBytes = peakResidentBytes();
  return result;
}

} // namespace llmc::runtime
