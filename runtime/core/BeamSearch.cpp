#include "runtime/core/BeamSearch.h"

#include "absl/algorithm/container.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

namespace llmc::runtime {

absl::Status checkBeamOptions(const BeamOptions &options) {
  if (options.count < 1 || options.count > kMostBeams)
    return absl::InvalidArgumentError(
        absl::StrCat("there are ", options.count, " beams, expected 1 to ", kMostBeams));
  if (!std::isfinite(options.lengthPenalty))
    return absl::InvalidArgumentError(
        absl::StrCat("the length penalty is ", options.lengthPenalty, ", expected a finite number"));
  return absl::OkStatus();
}

namespace {

/// A text in the making.
struct Beam {
  TokenSequence *sequence; ///< that has been fed the text
  std::vector<int32_t> tokens;
  float score = 0;           ///< log probability
  std::vector<float> logits; ///< of what comes next
};

/// A beam with one more token.
struct Continuation {
  float score;
  size_t beam;
  int32_t token;

  bool isBetterThan(const Continuation &other) const {
    return score != other.score ? score > other.score
           : beam != other.beam ? beam < other.beam
                                : token < other.token;
  }
};

struct Finished {
  std::vector<int32_t> tokens;
  bool isEnded;
  float worth;
};

class Search {
public:
  Search(TokenSequence &sequence, const BeamTask &task)
      : task(task), options(task.options), first(sequence), vocabulary(sequence.vocabularySize()), beams(1) {
    beams[0].sequence = &sequence;
  }

  absl::StatusOr<BeamResult> run(absl::Span<const float> logits) {
    const size_t count = options.count;
    beams[0].logits.assign(logits.begin(), logits.begin() + vocabulary);
    // Each stop token may end all beams, so that others must be left to go on with.
    const size_t kept = std::max<size_t>(2, 1 + task.stopTokens.size()) * count;
    for (int64_t length = 1;; ++length) {
      candidates.clear();
      for (size_t beam = 0; beam < beams.size(); ++beam)
        if (absl::Status status = addCandidates(beam); !status.ok())
          return status;
      const size_t best = std::min(kept, candidates.size());
      std::partial_sort(candidates.begin(), candidates.begin() + best, candidates.end(),
                        [](const Continuation &a, const Continuation &b) { return a.isBetterThan(b); });
      candidates.resize(best);
      if (candidates.empty())
        return absl::DataLossError("no token may come next, expected one that is possible");

      std::vector<Continuation> going;
      for (const Continuation &candidate : candidates)
        if (going.size() < count && !isStop(candidate.token))
          going.push_back(candidate);
      finish(length);
      if (length == task.maxTokens || going.empty() || isOver(length, going.front().score))
        break;
      if (absl::Status status = goOn(going); !status.ok())
        return status;
    }
    return BeamResult{std::move(finished.front().tokens), finished.front().isEnded, steps};
  }

private:
  bool isStop(int32_t token) const { return absl::c_linear_search(task.stopTokens, token); }

  /// What a text of `length` tokens with this log probability is worth.
  float worth(float score, int64_t length) const {
    return score / static_cast<float>(std::pow(static_cast<double>(length), options.lengthPenalty));
  }

  /// Adds all tokens behind `beam`.
  absl::Status addCandidates(size_t beam) {
    const Beam &text = beams[beam];
    const float largest = *absl::c_max_element(text.logits);
    double sum = 0;
    for (float logit : text.logits)
      sum += std::exp(static_cast<double>(logit) - largest);
    if (!std::isfinite(largest) || !std::isfinite(sum))
      return absl::DataLossError("the model computes logits that are not finite, expected numbers");
    const double normalizer = largest + std::log(sum);
    std::vector<float> scores(vocabulary);
    for (int64_t token = 0; token < vocabulary; ++token)
      scores[token] = static_cast<float>(text.logits[token] - normalizer);
    const absl::Span<const int32_t> history = text.sequence->history();
    if (task.repetitionPenalty != 1)
      for (int32_t token : absl::flat_hash_set<int32_t>(history.begin(), history.end()))
        if (token >= 0 && token < vocabulary)
          scores[token] *= task.repetitionPenalty;
    if (absl::Status status =
            task.rules.apply(absl::MakeSpan(scores), history, text.tokens, task.maxTokens, task.stopTokens);
        !status.ok())
      return status;
    for (int32_t token = 0; token < vocabulary; ++token)
      if (std::isfinite(scores[token]))
        candidates.push_back({scores[token] + text.score, beam, token});
    return absl::OkStatus();
  }

  /// Finishes those of the best candidates, as many as beams, that end, or all of them at the last length.
  void finish(int64_t length) {
    const size_t count = options.count;
    if (options.earlyStopping == EarlyStopping::Yes && finished.size() == count)
      return;
    for (size_t i = 0; i < std::min(count, candidates.size()); ++i) {
      const Continuation &candidate = candidates[i];
      const bool ends = isStop(candidate.token);
      if (!ends && length != task.maxTokens)
        continue;
      Finished text{beams[candidate.beam].tokens, ends, worth(candidate.score, length)};
      if (!ends)
        text.tokens.push_back(candidate.token);
      // Behind those that are worth as much.
      auto place = std::upper_bound(finished.begin(), finished.end(), text,
                                    [](const Finished &a, const Finished &b) { return a.worth > b.worth; });
      finished.insert(place, std::move(text));
    }
    if (finished.size() > count)
      finished.resize(count);
  }

  /// Whether texts in the making, the best of which has this log probability, are given up after `length`
  /// tokens.
  bool isOver(int64_t length, float score) const {
    if (finished.size() < static_cast<size_t>(options.count))
      return false;
    if (options.earlyStopping == EarlyStopping::Yes)
      return true;
    const bool mayGrow = options.earlyStopping == EarlyStopping::Never && options.lengthPenalty > 0;
    return worth(score, mayGrow ? task.maxTokens : length) <= finished.back().worth;
  }

  /// Makes beams of the candidates and feeds them their tokens.
  absl::Status goOn(const std::vector<Continuation> &going) {
    std::vector<Beam> next(going.size());
    std::vector<bool> isTaken(beams.size());
    // A beam's first continuation goes on in its memory, others need copies of it first.
    for (size_t i = 0; i < going.size(); ++i) {
      const Beam &parent = beams[going[i].beam];
      next[i].tokens = parent.tokens;
      next[i].tokens.push_back(going[i].token);
      next[i].score = going[i].score;
      next[i].sequence = isTaken[going[i].beam] ? nullptr : parent.sequence;
      isTaken[going[i].beam] = true;
    }
    std::vector<TokenSequence *> free = std::move(spare);
    for (size_t beam = 0; beam < beams.size(); ++beam)
      if (!isTaken[beam])
        free.push_back(beams[beam].sequence);
    for (size_t i = 0; i < going.size(); ++i) {
      if (next[i].sequence)
        continue;
      TokenSequence &parent = *beams[going[i].beam].sequence;
      if (!free.empty()) {
        next[i].sequence = free.back();
        free.pop_back();
        if (absl::Status status = next[i].sequence->copyFrom(parent); !status.ok())
          return status;
        continue;
      }
      absl::StatusOr<std::unique_ptr<TokenSequence>> fork = parent.fork();
      if (!fork.ok())
        return fork.status();
      forks.push_back(*std::move(fork));
      next[i].sequence = forks.back().get();
    }
    spare = std::move(free);
    beams = std::move(next);
    std::vector<Feed> feeds;
    for (const Beam &beam : beams)
      feeds.push_back({beam.sequence, absl::MakeConstSpan(&beam.tokens.back(), 1)});
    absl::StatusOr<std::vector<absl::Span<const float>>> logits = first.feedTogether(feeds);
    if (!logits.ok())
      return logits.status();
    for (size_t i = 0; i < beams.size(); ++i)
      beams[i].logits.assign((*logits)[i].begin(), (*logits)[i].begin() + vocabulary);
    steps += static_cast<int64_t>(beams.size());
    return absl::OkStatus();
  }

  const BeamTask &task;
  const BeamOptions &options;
  TokenSequence &first;
  const int64_t vocabulary;
  std::vector<std::unique_ptr<TokenSequence>> forks;
  std::vector<TokenSequence *> spare; ///< of no beam
  std::vector<Beam> beams;
  std::vector<Continuation> candidates; ///< of one step, the best first
  std::vector<Finished> finished;       ///< those worth most first, at most as many as beams
  int64_t steps = 0;
};

} // namespace

absl::StatusOr<BeamResult> searchBeams(TokenSequence &sequence, absl::Span<const float> logits,
                                       const BeamTask &task) {
  return Search(sequence, task).run(logits);
}

} // namespace llmc::runtime
