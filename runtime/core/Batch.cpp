#include "runtime/core/Batch.h"

#include <algorithm>

namespace llmc::runtime {

absl::StatusOr<std::unique_ptr<Batch>> Batch::create(TokenSequence &first, int64_t count) {
  if (first.readsSource())
    return absl::UnimplementedError("the model reads a source, expected one that continues its text: sources "
                                    "are not read in common steps");
  std::unique_ptr<Batch> batch(new Batch(first));
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
  absl::MutexLock lock(&mutex);
  waiting.push_back(&request);
  const auto isOverOrNext = [&]()
                                ABSL_SHARED_LOCKS_REQUIRED(mutex) { return request.isDone || isComplete(); };
  while (!request.isDone) {
    mutex.Await(absl::Condition(&isOverOrNext));
    if (!request.isDone)
      runStep();
  }
  if (!request.status.ok())
    return request.status;
  return request.logits;
}

void Batch::runStep() {
  std::vector<Request *> taken = waiting;
  isRunning = true;
  mutex.Unlock();
  run(taken);
  mutex.Lock();
  isRunning = false;
  std::erase_if(waiting, [](const Request *request) { return request->isDone; });
}

void Batch::run(std::vector<Request *> requests) {
  const auto finish = [](Request &request, const absl::StatusOr<absl::Span<const float>> &logits) {
    request.isDone = true;
    request.status = logits.status();
    if (logits.ok())
      request.logits = *logits;
  };
  // Single tokens are what others write; of longer texts the shortest first, so that most are soon done.
  std::sort(requests.begin(), requests.end(),
            [](const Request *a, const Request *b) { return a->tokens.size() < b->tokens.size(); });
  std::vector<Feed> feeds;
  std::vector<Request *> fed;
  int64_t room = kPromptRows;
  for (Request *request : requests) {
    if (request->rows == Rows::All) {
      finish(*request, request->sequence->feed(request->tokens, Rows::All));
      continue;
    }
    int64_t count = static_cast<int64_t>(request->tokens.size());
    if (count > 1)
      room -= count = std::min(count, room);
    if (count == 0 && !request->tokens.empty())
      continue;
    feeds.push_back({request->sequence, request->tokens.first(count)});
    fed.push_back(request);
  }
  if (feeds.empty())
    return;
  absl::StatusOr<std::vector<absl::Span<const float>>> logits = feeds.front().sequence->feedTogether(feeds);
  for (size_t i = 0; i < fed.size(); ++i) {
    if (!logits.ok()) {
      // Whoever it was that could not be fed: each finds out for itself.
      finish(*fed[i], fed[i]->sequence->feed(fed[i]->tokens));
      continue;
    }
    fed[i]->tokens.remove_prefix(feeds[i].tokens.size());
    if (fed[i]->tokens.empty())
      finish(*fed[i], (*logits)[i]);
  }
}

absl::StatusOr<absl::Span<const float>> Batch::Member::feed(absl::Span<const int32_t> next, Rows rows) {
  return batch.feed({&sequence, next, rows});
}

} // namespace llmc::runtime
