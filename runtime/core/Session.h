//===- Session.h - one sequence of tokens on a loaded artifact ----------------------------------------===//
#ifndef LLMC_RUNTIME_CORE_SESSION_H
#define LLMC_RUNTIME_CORE_SESSION_H

#include "runtime/core/Artifact.h"
#include "runtime/core/PrivateMemory.h"
#include "runtime/core/StepRows.h"
#include "runtime/core/Team.h"
#include "runtime/core/TokenSequence.h"
#include "runtime/cuda/StepRunner.h"

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace llmc::runtime {

/// The memory and the state that running an artifact takes: activations, caches, and the tokens so far. For
/// one thread at a time. Errors are one line without the artifact's path.
class Session : public TokenSequence {
public:
  /// A session with a team of its own.
  static absl::StatusOr<std::unique_ptr<Session>> create(std::shared_ptr<const Artifact> artifact,
                                                         const TeamOptions &options = {});
  /// A session that shares `team` with others; they must not run at the same time.
  static absl::StatusOr<std::unique_ptr<Session>> create(std::shared_ptr<const Artifact> artifact,
                                                         std::shared_ptr<Team> team);
  ~Session() override;
  Session(const Session &) = delete;
  Session &operator=(const Session &) = delete;

  const Artifact &artifact() const { return *loaded; }
  const std::shared_ptr<Team> &team() const { return workers; }

  /// Number of tokens that the sequence has.
  int64_t position() const { return static_cast<int64_t>(tokens.size()); }
  int64_t contextLength() const override { return loaded->manifest().context_length(); }
  int64_t vocabularySize() const override { return loaded->manifest().vocabulary_size(); }
  absl::Span<const int32_t> history() const override { return tokens; }

  bool readsSource() const override { return loaded->sourceStep() != nullptr; }
  /// Starts anew with `source` for the model to read; feed() comes next, with what its text begins with.
  /// Fails as feed() does. Only for artifacts whose manifest has an encoder.
  absl::Status readSource(absl::Span<const int32_t> source);
  absl::StatusOr<absl::Span<const float>> feedSequence(absl::Span<const int32_t> sequence) override;

  /// Starts anew with the adapter `name` of those that the artifact has; empty: with the model alone.
  absl::Status useAdapter(absl::string_view name);

  /// The width of rows is that of outputs. Only for artifacts of kind GENERATE, and of decoders that make
  /// embeddings, which give hidden states.
  absl::StatusOr<absl::Span<const float>> feed(absl::Span<const int32_t> next, Rows rows) override;
  using TokenSequence::feed;
  /// Steps take rows of all sequences; the logits are, to the bit, those of each sequence alone. This one
  /// need not be among them; the logits lie in its memory. Only on processors.
  absl::StatusOr<std::vector<absl::Span<const float>>> feedTogether(absl::Span<const Feed> feeds) override;

  /// The embedding of a text, [output_width], pooled as the manifest says; valid until the next call. Only
  /// for artifacts of kind EMBED. Fails if an element is not finite.
  absl::StatusOr<absl::Span<const float>> embed(absl::Span<const int32_t> text);

  /// What the head makes of the tokens `wanted` of a text (places in it), [wanted.size(), output_width];
  /// valid until the next call. `types` are the segments of the tokens, or empty: all are of the first. Only
  /// for artifacts of kind PREDICT. Fails if an output is not finite.
  absl::StatusOr<absl::Span<const float>>
  predict(absl::Span<const int32_t> text, absl::Span<const int32_t> types, absl::Span<const int32_t> wanted);

  void reset() override;
  /// What the caches hold beyond the sequence changes nothing for later steps.
  void truncate(int64_t length) override;

  /// A session with the same tokens that shares artifact, threads and activations with this one, and may
  /// outlive it. Only on processors.
  absl::StatusOr<std::unique_ptr<Session>> forkSession();
  absl::StatusOr<std::unique_ptr<TokenSequence>> fork() override { return forkSession(); }
  absl::Status copyFrom(const TokenSequence &other) override;

private:
  Session(std::shared_ptr<const Artifact> artifact, std::shared_ptr<Team> team)
      : loaded(std::move(artifact)), workers(std::move(team)) {}

  absl::Status allocate();
  absl::Status allocateCache();
  absl::Status checkTokens(absl::Span<const int32_t> next) const;
  absl::Status checkFeed(absl::Span<const int32_t> next) const;
  absl::StatusOr<absl::Span<const float>> statesOf(absl::Span<const int32_t> text);
  absl::StatusOr<absl::Span<const float>>
  encode(absl::Span<const int32_t> text, absl::Span<const int32_t> types, absl::Span<const int32_t> wanted);
  absl::StatusOr<float *> outputsFor(int64_t count);
  absl::Status feedSteps(absl::Span<const Feed> feeds, Rows wanted, float *outputs);
  absl::Status runStep(const Artifact::Step &step, uint8_t *cacheOfStep, float *outputs);

  std::shared_ptr<const Artifact> loaded;
  std::shared_ptr<Team> workers;
  std::shared_ptr<PrivateMemory> arena;  ///< of steps on this machine's processor
  PrivateMemory cache;                   ///< the same
  std::unique_ptr<cuda::StepRunner> gpu; ///< of steps on a GPU
  std::vector<int32_t> tokens;
  int64_t sourceTokens = 0; ///< of the source that was read; 0: none was
  int32_t tokenType = 0;    ///< of all tokens (LlmcStep::token_types): the last of the source, or the adapter
  std::unique_ptr<StepRows> rowsOfStep; ///< of any step
  PrivateMemory output;                 ///< [rows that were asked for at most, output_width], floats
  std::vector<float> pooled;            ///< [output_width]
};

} // namespace llmc::runtime

#endif // LLMC_RUNTIME_CORE_SESSION_H
