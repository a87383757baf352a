#include "runtime/core/Batch.h"

#include <algorithm>

namespace llmc::runtime {

absl::StatusOr<std::unique_ptr<Batch>> Batch::create(TokenSequence &first, int64_t count,
                                                     std::function<bool()> isCancelled) {
  if (first.readsSource())
    return absl::UnimplementedError(
        "the model reads a source, which is not done beside others, expected a model "
        "that continues its text");
  std::unique_ptr<Batch> batch(new Batch(first, std::move(isCancelled)));
  while (batch->size() < count) {
    absl::StatusOr<std::unique_ptr<TokenSequence>> fork = first.fork();
    if (!fork.ok())
      return fork.status();
    batch->forks.push_back(*std::move(fork));
    batch->sequences.push_back(batch->forks.back().get());
  }
  return batch;
}

void Batch::enter() {
  absl::MutexLock lock(&mutex);
  ++entered;
}

void Batch::leave() {
  absl::MutexLock lock(&mutex);
  --entered; // which may be what the others wait for
}

absl::StatusOr<absl::Span<const float>> Batch::feed(Request request) {
  const auto before = static_cast<int64_t>(request.sequence->history().size());
  {
    absl::MutexLock lock(&mutex);
    waiting.push_back(&request);
    const auto isFedOrNext = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex) {
      return request.logits.has_value() || isComplete();
    };
    while (!request.logits) {
      mutex.Await(absl::Condition(&isFedOrNext));
      if (!request.logits)
        runStep();
    }
  }
  // Of what is refused at a later piece the earlier ones have been fed.
  if (!request.logits->ok())
    request.sequence->truncate(before);
  return *std::move(request.logits);
}

void Batch::runStep() {
  std::vector<Piece> pieces = choosePieces();
  isRunning = true;
  mutex.Unlock();
  if (isCancelled())
    for (Piece &piece : pieces)
      piece.logits = absl::CancelledError("cancelled");
  else
    run(pieces);
  mutex.Lock();
  isRunning = false;
  for (Piece &piece : pieces) {
    Request &request = *piece.request;
    request.tokens.remove_prefix(piece.count);
    if (request.tokens.empty() || !piece.logits.ok())
      request.logits = std::move(piece.logits);
  }
  std::erase_if(waiting, [](const Request *request) { return request->logits.has_value(); });
}

std::vector<Batch::Piece> Batch::choosePieces() const {
  std::vector<Piece> pieces;
  int64_t room = kPromptRows;
  for (Request *request : waiting) {
    const auto count = static_cast<int64_t>(request->tokens.size());
    // What is refused is refused as a whole. Single tokens are what others write.
    const bool isWhole = count <= 1 || request->rows == Rows::All ||
                         count > request->sequence->contextLength() -
                                     static_cast<int64_t>(request->sequence->history().size());
    const int64_t piece = isWhole ? count : std::min(count, room);
    if (piece == 0 && count > 0)
      continue;
    if (!isWhole)
      room -= piece;
    pieces.push_back({request, piece});
  }
  return pieces;
}

void Batch::run(std::vector<Piece> &pieces) {
  const auto alone = [](const Piece &piece) {
    return piece.request->sequence->feed(piece.request->tokens.first(piece.count), piece.request->rows);
  };
  std::vector<Feed> feeds;
  for (Piece &piece : pieces)
    if (piece.request->rows == Rows::All)
      piece.logits = alone(piece);
    else
      feeds.push_back({piece.request->sequence, piece.request->tokens.first(piece.count)});
  if (feeds.empty())
    return;
  // All by the same one: logits lie in its memory.
  absl::StatusOr<std::vector<absl::Span<const float>>> logits = sequences[0]->feedTogether(feeds);
  size_t next = 0;
  for (Piece &piece : pieces)
    if (piece.request->rows != Rows::All)
      piece.logits = logits.ok() ? (*logits)[next++] : alone(piece); // whoever it was that could not be fed
}

absl::StatusOr<absl::Span<const float>> Batch::Member::feed(absl::Span<const int32_t> next, Rows rows) {
  return batch.feed({&sequence, next, rows});
}

} // namespace llmc::runtime
