#include "runtime/core/Generator.h"

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
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

absl::StatusOr<Generation> generate(TokenSequence &sequence, absl::Span<const int32_t> prompt,
                                    const GenerationOptions &options,
                                    absl::FunctionRef<bool(int32_t token)> onToken) {
  if (absl::Status status = checkSamplingOptions(options.sampling); !status.ok())
    return status;
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

  Clock::time_point firstToken;
  for (bool isFirst = true;; isFirst = false) {
    // Widths beyond the vocabulary are padding.
    absl::StatusOr<int32_t> token = sampler.sample(logits->first(vocabulary), sequence.history());
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
