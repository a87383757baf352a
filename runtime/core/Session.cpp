#include "runtime/core/Session.h"

#include "runtime/core/Pooling.h"

#include "absl/algorithm/container.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "runtime/io/Message.h"

#include <algorithm>
#include <cmath>

namespace llmc::runtime {

absl::StatusOr<std::unique_ptr<Session>> Session::create(std::shared_ptr<const Artifact> artifact,
                                                         const TeamOptions &options) {
  absl::StatusOr<std::unique_ptr<Team>> team = Team::create(options);
  if (!team.ok())
    return team.status();
  return create(std::move(artifact), std::shared_ptr<Team>(*std::move(team)));
}

absl::StatusOr<std::unique_ptr<Session>> Session::create(std::shared_ptr<const Artifact> artifact,
                                                         std::shared_ptr<Team> team) {
  std::unique_ptr<Session> session(new Session(std::move(artifact), std::move(team)));
  if (absl::Status status = session->allocate(); !status.ok())
    return status;
  return session;
}

Session::~Session() {
  // The code may be unloaded with the session.
  workers->settle();
}

absl::Status Session::allocate() {
  const Manifest &manifest = loaded->manifest();
  int64_t maxRows = loaded->steps().back().maxRows;
  if (readsSource())
    maxRows = std::max(maxRows, loaded->sourceStep()->maxRows);
  if (loaded->gpu() != nullptr) {
    absl::StatusOr<std::unique_ptr<cuda::StepRunner>> runner =
        cuda::StepRunner::create(*loaded->gpu(), manifest, maxRows);
    if (!runner.ok())
      return runner.status();
    gpu = *std::move(runner);
  } else {
    absl::StatusOr<PrivateMemory> memory =
        PrivateMemory::allocate(manifest.arena_bytes(), "activations", PageSize::Large);
    if (!memory.ok())
      return memory.status();
    arena = std::make_shared<PrivateMemory>(*std::move(memory));
    if (absl::Status status = allocateCache(); !status.ok())
      return status;
  }
  rowsOfStep = std::make_unique<StepRows>(maxRows);
  return absl::OkStatus();
}

absl::Status Session::allocateCache() {
  // Each layer has a part for the whole context, most of which a short conversation never writes.
  absl::StatusOr<PrivateMemory> memory =
      PrivateMemory::allocate(loaded->manifest().cache_bytes(), "cache", PageSize::Small);
  if (!memory.ok())
    return memory.status();
  cache = *std::move(memory);
  return absl::OkStatus();
}

static absl::Status severalOnGpu() {
  return absl::UnimplementedError(
      "several sequences beside each other are for CPUs only, and the artifact is for GPUs");
}

absl::StatusOr<std::unique_ptr<Session>> Session::forkSession() {
  if (gpu != nullptr)
    return severalOnGpu();
  std::unique_ptr<Session> other(new Session(loaded, workers));
  other->arena = arena;
  if (absl::Status status = other->allocateCache(); !status.ok())
    return status;
  other->rowsOfStep = std::make_unique<StepRows>(rowsOfStep->capacity());
  other->sourceTokens = sourceTokens;
  other->tokenType = tokenType;
  std::copy_n(cache.data(), loaded->manifest().encoder().cache_bytes(), other->cache.data());
  if (absl::Status status = other->copyFrom(*this); !status.ok())
    return status;
  return other;
}

absl::Status Session::copyFrom(const TokenSequence &other) {
  const auto *session = dynamic_cast<const Session *>(&other);
  if (session == nullptr || session->loaded != loaded)
    return absl::InvalidArgumentError("a session is copied from one of another model");
  tokens = session->tokens;
  tokenType = session->tokenType;
  const Manifest &manifest = loaded->manifest();
  const uint64_t source = manifest.encoder().cache_bytes();
  const auto copy = [&](uint64_t offset, uint64_t bytes) {
    std::copy_n(session->cache.data() + offset, bytes, cache.data() + offset);
  };
  if (manifest.cache_parts().empty())
    copy(source, cache.size() - source);
  // Only what was written, in whole blocks: most of a cache is room for later.
  constexpr uint64_t kBlock = 64;
  const uint64_t context = manifest.context_length(), positions = tokens.size() + kBlock;
  for (const CachePart &part : manifest.cache_parts())
    for (uint64_t run = 0; part.offset() >= source && run < part.runs(); ++run)
      copy(part.offset() + run * part.run_bytes(),
           positions < context ? part.run_bytes() / context * positions : part.run_bytes());
  return absl::OkStatus();
}

absl::Status Session::checkTokens(absl::Span<const int32_t> next) const {
  if (next.empty())
    return absl::InvalidArgumentError("no tokens were given, expected at least one");
  const int64_t count = static_cast<int64_t>(next.size()), room = contextLength() - position();
  if (count > room) {
    const std::string before = position() == 0 ? "" : absl::StrCat(" after the ", position(), " before them");
    return absl::OutOfRangeError(absl::StrCat("the input has ", count, " tokens", before,
                                              ", but the artifact was compiled for a context of ",
                                              contextLength()));
  }
  const int64_t vocabulary = loaded->manifest().vocabulary_size();
  for (int64_t i = 0; i < count; ++i)
    if (next[i] < 0 || next[i] >= vocabulary)
      return absl::InvalidArgumentError(
          absl::StrCat("token ", i, " is ", next[i], ", expected 0 to ", vocabulary - 1));
  return absl::OkStatus();
}

static absl::string_view outputsOf(const Manifest &manifest) {
  return manifest.kind() == EMBED ? "embeddings" : manifest.kind() == PREDICT ? "predictions" : "logits";
}

/// Whether tokens are read in pieces, and see earlier ones only.
static bool isDecoder(const Manifest &manifest) { return manifest.cache_bytes() > 0; }

/// Memory for `count` rows of outputs.
absl::StatusOr<float *> Session::outputsFor(int64_t count) {
  const uint64_t bytes = static_cast<uint64_t>(count) * loaded->manifest().output_width() * sizeof(float);
  if (output.size() < bytes) {
    absl::StatusOr<PrivateMemory> memory = PrivateMemory::allocate(bytes, "output", PageSize::Large);
    if (!memory.ok())
      return memory.status();
    output = *std::move(memory);
  }
  return reinterpret_cast<float *>(output.data());
}

/// Runs `rowsOfStep`; outputs follow each other from `outputs` on.
absl::Status Session::runStep(const Artifact::Step &step, uint8_t *cacheOfStep, float *outputs) {
  LlmcStep inputs = rowsOfStep->inputs();
  inputs.output = outputs;
  if (gpu != nullptr)
    return gpu->run(step.function, inputs);
  inputs.weights = loaded->weights().data();
  inputs.arena = arena->data();
  inputs.cache = cacheOfStep;
  workers->run(step.function, inputs);
  return absl::OkStatus();
}

absl::Status Session::readSource(absl::Span<const int32_t> source) {
  if (!readsSource())
    return absl::FailedPreconditionError("the artifact reads no source, it continues its text");
  reset();
  if (absl::Status status = checkTokens(source); !status.ok())
    return status;
  rowsOfStep->clear();
  rowsOfStep->add(source, /*position=*/0, /*type=*/0, /*cacheOffset=*/0);
  if (absl::Status status = runStep(*loaded->sourceStep(), cache.data(), nullptr); !status.ok())
    return status;
  sourceTokens = static_cast<int64_t>(source.size());
  tokenType = static_cast<int32_t>(sourceTokens - 1);
  return absl::OkStatus();
}

absl::StatusOr<absl::Span<const float>> Session::feedSequence(absl::Span<const int32_t> sequence) {
  if (!readsSource())
    return TokenSequence::feedSequence(sequence);
  if (absl::Status status = readSource(sequence); !status.ok())
    return status;
  const auto start = static_cast<int32_t>(loaded->manifest().encoder().start_token());
  return feed(absl::MakeConstSpan(&start, 1));
}

absl::Status Session::checkFeed(absl::Span<const int32_t> next) const {
  const Manifest &manifest = loaded->manifest();
  if (manifest.kind() != GENERATE && !isDecoder(manifest))
    return absl::FailedPreconditionError(
        absl::StrCat("the artifact makes ", outputsOf(manifest), ", not logits"));
  if (readsSource() && sourceTokens == 0)
    return absl::FailedPreconditionError("the artifact reads a source first, and none was read");
  return checkTokens(next);
}

absl::StatusOr<absl::Span<const float>> Session::feed(absl::Span<const int32_t> next, Rows rows) {
  if (absl::Status status = checkFeed(next); !status.ok())
    return status;
  const int64_t count = rows == Rows::All ? static_cast<int64_t>(next.size()) : 1;
  absl::StatusOr<float *> outputs = outputsFor(count);
  if (!outputs.ok())
    return outputs.status();
  const Feed feed{this, next};
  if (absl::Status status = feedSteps(absl::MakeConstSpan(&feed, 1), rows, *outputs); !status.ok())
    return status;
  return absl::MakeConstSpan(*outputs, count * loaded->manifest().output_width());
}

absl::StatusOr<std::vector<absl::Span<const float>>> Session::feedTogether(absl::Span<const Feed> feeds) {
  if (gpu != nullptr && feeds.size() > 1)
    return severalOnGpu();
  absl::flat_hash_set<const TokenSequence *> fed;
  for (const Feed &feed : feeds) {
    const auto *session = dynamic_cast<const Session *>(feed.sequence);
    if (session == nullptr || session->arena != arena || !fed.insert(session).second)
      return absl::InvalidArgumentError(
          "sequences that are fed together are forks of one, each of them once");
    if (absl::Status status = session->checkFeed(feed.tokens); !status.ok())
      return status;
  }
  absl::StatusOr<float *> outputs = outputsFor(static_cast<int64_t>(feeds.size()));
  if (!outputs.ok())
    return outputs.status();
  if (absl::Status status = feedSteps(feeds, Rows::Last, *outputs); !status.ok())
    return status;
  const int64_t width = loaded->manifest().output_width();
  std::vector<absl::Span<const float>> logits;
  for (size_t i = 0; i < feeds.size(); ++i)
    logits.push_back(absl::MakeConstSpan(*outputs + i * width, width));
  return logits;
}

/// Feeds sessions what they may be fed. What is wanted of all of them follows each other from `outputs` on.
absl::Status Session::feedSteps(absl::Span<const Feed> feeds, Rows wanted, float *outputs) {
  const auto sessionOf = [&](size_t i) { return static_cast<Session *>(feeds[i].sequence); };
  // Caches lie anywhere; the step is given the first one, and where the others are from there.
  uint8_t *first = cache.data();
  for (size_t i = 0; i < feeds.size(); ++i)
    first = std::min(first, sessionOf(i)->cache.data());
  int64_t left = 0; // tokens of all
  for (const Feed &feed : feeds)
    left += static_cast<int64_t>(feed.tokens.size());

  int64_t done = 0; // tokens of the sequence that comes next
  for (size_t next = 0; next < feeds.size();) {
    const Artifact::Step &step = loaded->stepFor(left);
    rowsOfStep->clear();
    while (next < feeds.size() && rowsOfStep->size() < step.maxRows) {
      const Session &session = *sessionOf(next);
      const absl::Span<const int32_t> rest = feeds[next].tokens.subspan(done);
      const int64_t count = std::min<int64_t>(rest.size(), step.maxRows - rowsOfStep->size());
      const bool isLast = count == static_cast<int64_t>(rest.size());
      const int64_t row = rowsOfStep->size();
      rowsOfStep->add(rest.first(count), session.position() + done, session.tokenType,
                      session.cache.data() - first);
      for (int64_t i = wanted == Rows::All ? 0 : isLast ? count - 1 : count; i < count; ++i)
        rowsOfStep->want(row + i);
      done = isLast ? 0 : done + count;
      next += isLast;
    }
    uint8_t *const cacheOfStep = step.maxRows == 1 ? first + rowsOfStep->firstCacheOffset() : first;
    if (absl::Status status = runStep(step, cacheOfStep, outputs); !status.ok())
      return status;
    left -= rowsOfStep->size();
    outputs += rowsOfStep->outputs() * loaded->manifest().output_width();
  }
  for (const Feed &feed : feeds) {
    std::vector<int32_t> &history = static_cast<Session *>(feed.sequence)->tokens;
    history.insert(history.end(), feed.tokens.begin(), feed.tokens.end());
  }
  return absl::OkStatus();
}

/// All of a text in one step: each token sees all others, so it cannot come in pieces.
absl::StatusOr<absl::Span<const float>> Session::encode(absl::Span<const int32_t> text,
                                                        absl::Span<const int32_t> types,
                                                        absl::Span<const int32_t> wanted) {
  reset();
  if (absl::Status status = checkTokens(text); !status.ok())
    return status;
  const int64_t count = static_cast<int64_t>(text.size()), width = loaded->manifest().output_width();
  const Artifact::Step &step = loaded->stepFor(count);
  if (count > step.maxRows)
    return absl::OutOfRangeError(absl::StrCat("the input has ", count,
                                              " tokens, but the artifact was compiled for texts of at most ",
                                              step.maxRows));
  absl::StatusOr<float *> outputs = outputsFor(static_cast<int64_t>(wanted.size()));
  if (!outputs.ok())
    return outputs.status();
  rowsOfStep->clear();
  rowsOfStep->add(text, /*position=*/0, /*type=*/0, /*cacheOffset=*/0);
  rowsOfStep->setTypes(types);
  for (int32_t row : wanted)
    rowsOfStep->want(row);
  if (absl::Status status = runStep(step, cache.data(), *outputs); !status.ok())
    return status;
  return absl::MakeConstSpan(*outputs, wanted.size() * width);
}

/// The hidden states that the pooling of `text` needs.
absl::StatusOr<absl::Span<const float>> Session::statesOf(absl::Span<const int32_t> text) {
  const Pooling::Method method = loaded->manifest().pooling().method();
  if (isDecoder(loaded->manifest())) {
    reset();
    return feed(text, method == Pooling::LAST ? Rows::Last : Rows::All);
  }
  std::vector<int32_t> rows(method == Pooling::CLS ? 1 : text.size());
  absl::c_iota(rows, 0);
  return encode(text, /*types=*/{}, rows);
}

absl::StatusOr<absl::Span<const float>> Session::embed(absl::Span<const int32_t> text) {
  const Manifest &manifest = loaded->manifest();
  if (manifest.kind() != EMBED)
    return absl::FailedPreconditionError(
        absl::StrCat("the artifact makes ", outputsOf(manifest), ", not embeddings"));
  absl::StatusOr<absl::Span<const float>> states = statesOf(text);
  if (!states.ok())
    return states.status();
  pooled.resize(manifest.output_width());
  pool(manifest.pooling(), *states, absl::MakeSpan(pooled));
  for (size_t i = 0; i < pooled.size(); ++i)
    if (!std::isfinite(pooled[i]))
      return absl::DataLossError(absl::StrCat("the model computes ", pooled[i], " for element ", i,
                                              " of the embedding, expected a finite number"));
  return absl::MakeConstSpan(pooled);
}

absl::StatusOr<absl::Span<const float>> Session::predict(absl::Span<const int32_t> text,
                                                         absl::Span<const int32_t> types,
                                                         absl::Span<const int32_t> wanted) {
  const Manifest &manifest = loaded->manifest();
  if (manifest.kind() != PREDICT)
    return absl::FailedPreconditionError(
        absl::StrCat("the artifact makes ", outputsOf(manifest), ", not predictions"));
  const int64_t count = static_cast<int64_t>(text.size());
  if (!types.empty() && types.size() != text.size())
    return absl::InvalidArgumentError(absl::StrCat(
        "there are ", types.size(), " token types, expected one for each of ", count, " tokens"));
  for (size_t i = 0; i < wanted.size(); ++i)
    if (wanted[i] < 0 || wanted[i] >= count || wanted.size() > text.size())
      return absl::InvalidArgumentError(absl::StrCat("output ", i, " is wanted of token ", wanted[i],
                                                     ", expected each of 0 to ", count - 1, " at most once"));
  const int64_t kinds = manifest.head().token_types();
  if (kinds == 0)
    types = {};
  for (size_t i = 0; i < types.size(); ++i)
    if (types[i] < 0 || types[i] >= kinds)
      return absl::InvalidArgumentError(
          absl::StrCat("token ", i, " is of type ", types[i], ", expected 0 to ", kinds - 1));
  absl::StatusOr<absl::Span<const float>> outputs = encode(text, types, wanted);
  if (!outputs.ok())
    return outputs.status();
  for (float value : *outputs)
    if (!std::isfinite(value))
      return absl::DataLossError(
          absl::StrCat("the model computes ", value, " for an output, expected a finite number"));
  return outputs;
}

absl::Status Session::useAdapter(absl::string_view name) {
  const auto &names = loaded->manifest().adapters();
  const auto found = std::find(names.begin(), names.end(), name);
  if (!name.empty() && found == names.end())
    return absl::InvalidArgumentError(absl::StrCat("has no adapter ", io::quote(name),
                                                   names.empty() ? ", and no other" : ", expected one of ",
                                                   absl::StrJoin(names, ", ")));
  reset();
  tokenType = name.empty() ? 0 : static_cast<int32_t>(found - names.begin() + 1);
  return absl::OkStatus();
}

void Session::reset() {
  if (!tokens.empty() || sourceTokens > 0)
    cache.clear();
  tokens.clear();
  sourceTokens = 0;
}

void Session::truncate(int64_t length) { tokens.resize(length); }

} // namespace llmc::runtime
