//===- Perplexity.cpp ---------------------------------------------------------------------------------===//

#include "runtime/core/Perplexity.h"

#include "runtime/core/LogProbabilities.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <cmath>

namespace llmc::runtime {

double Perplexity::mean() const { return sum / static_cast<double>(tokens); }

double Perplexity::standardError() const {
  if (tokens < 2)
    return 0;
  const double count = static_cast<double>(tokens), variance = squares / count - mean() * mean();
  return std::sqrt(std::max(0.0, variance) / (count - 1));
}

double Perplexity::value() const { return std::exp(mean()); }

namespace {

/// Rows whose logits are kept at a time: they are as wide as the vocabulary.
constexpr int64_t kRowsAtOnce = 64;

class WindowScorer {
public:
  WindowScorer(TokenSequence &model, Perplexity &result) : model(model), result(result) {}

  /// Scores the tokens from `firstScored` (at least 1) on.
  absl::Status score(absl::Span<const int32_t> window, int64_t firstScored) {
    model.reset();
    const int64_t count = static_cast<int64_t>(window.size());
    if (firstScored > 1) // what comes after the last of these is what the first logits are of
      if (absl::Status status = model.feed(window.first(firstScored - 1)).status(); !status.ok())
        return status;
    for (int64_t begin = firstScored - 1; begin < count - 1; begin += kRowsAtOnce) {
      const int64_t rows = std::min(kRowsAtOnce, count - 1 - begin);
      absl::StatusOr<absl::Span<const float>> logits = model.feed(window.subspan(begin, rows), Rows::All);
      if (!logits.ok())
        return logits.status();
      const size_t width = logits->size() / rows;
      for (int64_t row = 0; row < rows; ++row)
        if (absl::Status status =
                add(logits->subspan(row * width, model.vocabularySize()), window[begin + row + 1]);
            !status.ok())
          return status;
    }
    ++result.windows;
    return absl::OkStatus();
  }

private:
  absl::Status add(absl::Span<const float> logits, int32_t token) {
    absl::StatusOr<TokenScore> score = scoreToken(logits, token, /*alternatives=*/0);
    if (!score.ok())
      return score.status();
    result.sum -= score->logProbability;
    result.squares += score->logProbability * score->logProbability;
    ++result.tokens;
    return absl::OkStatus();
  }

  TokenSequence &model;
  Perplexity &result;
};

} // namespace

absl::StatusOr<Perplexity> measurePerplexity(TokenSequence &model, absl::Span<const int32_t> text,
                                             const PerplexityOptions &options,
                                             absl::FunctionRef<bool(int64_t)> progress) {
  const int64_t prefix = static_cast<int64_t>(options.prefix.size()),
                size = static_cast<int64_t>(text.size());
  const int64_t most = options.window - prefix; // tokens of the text in a window
  if (size + std::min<int64_t>(prefix, 1) < 2)
    return absl::InvalidArgumentError(
        absl::StrCat("the text has ", size, " tokens, expected two: one that comes after another"));
  if (options.window > model.contextLength() || options.stride < 1 || options.stride > options.mostStride())
    return absl::InvalidArgumentError(
        absl::StrCat("windows have ", options.window, " tokens and begin every ", options.stride,
                     " tokens, expected windows of up to ", model.contextLength(),
                     ", the context, that begin every 1 to ", std::max<int64_t>(options.mostStride(), 1)));
  Perplexity result;
  WindowScorer scorer(model, result);
  for (int64_t begin = 0, scored = 0; scored < size; begin += options.stride) {
    const int64_t end = std::min(begin + most, size);
    std::vector<int32_t> window = options.prefix;
    window.insert(window.end(), text.begin() + begin, text.begin() + end);
    const int64_t first = std::max<int64_t>(1, prefix + scored - begin);
    if (first < static_cast<int64_t>(window.size()))
      if (absl::Status status = scorer.score(window, first); !status.ok())
        return status;
    scored = end;
    if (!progress(scored))
      return absl::CancelledError("interrupted");
  }
  return result;
}

} // namespace llmc::runtime
