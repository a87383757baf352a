//===- Batch.h - sequences that are computed in common steps -------------------------------------------===//
#ifndef LLMC_RUNTIME_CORE_BATCH_H
#define LLMC_RUNTIME_CORE_BATCH_H

#include "runtime/core/TokenSequence.h"

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace llmc::runtime {

/// Sequences that threads continue at the same time, one each: what they feed is computed in common steps,
/// for which the weights are read once (TokenSequence::feedTogether). A sequence enters and leaves between
/// any two steps, and long prompts go through them in pieces, in the order in which they came, so that others
/// write on meanwhile (continuous batching: Yu et al., Orca, OSDI 2022; pieces: Agrawal et al.,
/// Sarathi-Serve, OSDI 2024).
///
/// A thread enters with one of the sequences, feeds it, and leaves:
///
///     Batch::Member member(*batch, index);
///     generate(member, prompt, options, onToken);
///
/// A step begins when all that entered wait for one: who entered and does not feed keeps the others waiting.
class Batch {
public:
  /// Tokens of prompts that a common step takes at most.
  static constexpr int64_t kPromptRows = 128;

  /// `count` sequences: `first`, which has to outlive the batch and is not fed by others, and forks of it.
  /// Where `isCancelled` says so before a step, all that is waited for fails with Cancelled. Fails as fork()
  /// does.
  static absl::StatusOr<std::unique_ptr<Batch>>
  create(TokenSequence &first, int64_t count, std::function<bool()> isCancelled = [] { return false; });
  int64_t size() const { return static_cast<int64_t>(sequences.size()); }

  class Member;

private:
  Batch(TokenSequence &first, std::function<bool()> isCancelled)
      : sequences{&first}, isCancelled(std::move(isCancelled)) {}

  /// What a thread waits for.
  struct Request {
    TokenSequence *sequence;
    absl::Span<const int32_t> tokens; ///< that are left to be fed
    Rows rows;
    /// The logits of the last of `tokens`, or why there are none, once it was fed.
    std::optional<absl::StatusOr<absl::Span<const float>>> logits = {};
  };
  /// A part of a request that a step computes.
  struct Piece {
    Request *request;
    int64_t count;
    absl::StatusOr<absl::Span<const float>> logits = absl::Span<const float>();
  };

  void enter();
  void leave();
  absl::StatusOr<absl::Span<const float>> feed(Request request);
  bool isComplete() const ABSL_SHARED_LOCKS_REQUIRED(mutex) {
    return !isRunning && !waiting.empty() && static_cast<int64_t>(waiting.size()) == entered;
  }
  /// Called with the mutex held, which is free while the step is computed.
  void runStep();
  std::vector<Piece> choosePieces() const ABSL_SHARED_LOCKS_REQUIRED(mutex);
  void run(std::vector<Piece> &pieces);

  std::vector<TokenSequence *> sequences;
  std::vector<std::unique_ptr<TokenSequence>> forks;
  const std::function<bool()> isCancelled;
  absl::Mutex mutex;
  int64_t entered ABSL_GUARDED_BY(mutex) = 0;
  std::vector<Request *> waiting ABSL_GUARDED_BY(mutex); ///< in the order in which they came
  bool isRunning ABSL_GUARDED_BY(mutex) = false;         ///< a thread computes a step
};

/// A sequence of a batch in the hands of the thread that made this, as long as this lives.
class Batch::Member : public TokenSequence {
public:
  /// No two members of a batch have the same `index`, from 0, at a time.
  Member(Batch &batch, int64_t index) : batch(batch), sequence(*batch.sequences[index]) { batch.enter(); }
  ~Member() override { batch.leave(); }
  Member(const Member &) = delete;
  Member &operator=(const Member &) = delete;

  int64_t contextLength() const override { return sequence.contextLength(); }
  int64_t vocabularySize() const override { return sequence.vocabularySize(); }
  absl::Span<const int32_t> history() const override { return sequence.history(); }
  bool readsSource() const override { return sequence.readsSource(); }
  absl::StatusOr<absl::Span<const float>> feed(absl::Span<const int32_t> next, Rows rows) override;
  using TokenSequence::feed;
  void reset() override { sequence.reset(); }
  void truncate(int64_t length) override { sequence.truncate(length); }

private:
  Batch &batch;
  TokenSequence &sequence;
};

} // namespace llmc::runtime

#endif // LLMC_RUNTIME_CORE_BATCH_H
