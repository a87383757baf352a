#include "runtime/core/Speculation.h"

#include "absl/algorithm/container.h"

#include <algorithm>

namespace llmc::runtime {

/// Of the draws of drafts: others than those that decide.
constexpr uint32_t kDraftStream = 1;

Speculation::Speculation(TokenSequence &target, TokenChooser &chooser, const GenerationOptions &options)
    : target(target), draft(*options.draft.sequence), options(options), chooser(chooser),
      draftChooser(options, target.vocabularySize(), kDraftStream) {}

/// The probability of `token`, given the candidates that it may be one of.
static double probabilityOf(int32_t token, absl::Span<const Candidate> candidates, double sum) {
  const auto found =
      absl::c_lower_bound(candidates, token, [](const Candidate &a, int32_t id) { return a.id < id; });
  return found != candidates.end() && found->id == token ? found->weight / sum : 0;
}

static double sumOf(absl::Span<const Candidate> candidates) {
  double sum = 0;
  for (const Candidate &candidate : candidates)
    sum += candidate.weight;
  return sum;
}

absl::Status Speculation::propose(int64_t most, const std::vector<int32_t> &made) {
  proposals.clear();
  drawnFrom.clear();
  std::vector<int32_t> text(target.history().begin(), target.history().end()), written = made;
  text.push_back(made.back());
  most = std::min(most, draft.contextLength() - static_cast<int64_t>(text.size()) + 1);
  while (static_cast<int64_t>(proposals.size()) < most) {
    absl::StatusOr<absl::Span<const float>> logits = draft.feedSequence(text);
    if (!logits.ok())
      return logits.status();
    absl::StatusOr<absl::Span<const Candidate>> left = draftChooser.distribution(*logits, text, written);
    if (!left.ok())
      break; // on a way that the target need not go; if it does, it fails itself
    const int32_t token = draftChooser.draw(*left);
    drawnFrom.emplace_back(left->begin(), left->end());
    proposals.push_back(token);
    if (absl::c_linear_search(options.stopTokens, token))
      break;
    text.push_back(token);
    written.push_back(token);
  }
  proposedTokens += static_cast<int64_t>(proposals.size());
  return absl::OkStatus();
}

/// A draw from what the target holds likelier than the draft does.
int32_t Speculation::drawInstead(absl::Span<const Candidate> likely, absl::Span<const Candidate> proposed) {
  const double sum = sumOf(likely), proposedSum = sumOf(proposed);
  std::vector<Candidate> rest(likely.begin(), likely.end());
  for (Candidate &candidate : rest)
    candidate.weight =
        std::max(0.0, candidate.weight / sum - probabilityOf(candidate.id, proposed, proposedSum));
  // Equal distributions leave only what rounding did not.
  return chooser.draw(sumOf(rest) > 0 ? absl::MakeConstSpan(rest) : likely);
}

absl::StatusOr<Speculation::Step> Speculation::run(int64_t mostProposals, const std::vector<int32_t> &made) {
  if (absl::Status status = propose(mostProposals, made); !status.ok())
    return status;
  std::vector<int32_t> fed = {made.back()}, written = made;
  fed.insert(fed.end(), proposals.begin(), proposals.end());
  absl::StatusOr<absl::Span<const float>> logits = target.feed(fed, Rows::All);
  if (!logits.ok())
    return logits.status();
  const size_t width = logits->size() / fed.size();
  const size_t before = target.history().size() - proposals.size();
  Step step{{}, *logits};
  for (size_t i = 0; i <= proposals.size(); ++i) {
    absl::StatusOr<absl::Span<const Candidate>> likely =
        chooser.distribution(logits->subspan(i * width, width), target.history().first(before + i), written);
    if (!likely.ok())
      return likely.status();
    if (i == proposals.size()) {
      step.tokens.push_back(chooser.draw(*likely));
      break;
    }
    const int32_t token = proposals[i];
    const double ratio = probabilityOf(token, *likely, sumOf(*likely)) /
                         probabilityOf(token, drawnFrom[i], sumOf(drawnFrom[i]));
    if (chooser.drawUniform() >= ratio) {
      step.tokens.push_back(drawInstead(*likely, drawnFrom[i]));
      break;
    }
    ++acceptedTokens;
    step.tokens.push_back(token);
    // Nothing comes after it.
    if (absl::c_linear_search(options.stopTokens, token))
      break;
    written.push_back(token);
  }
  return step;
}

} // namespace llmc::runtime
