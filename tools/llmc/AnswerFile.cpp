//===- AnswerFile.cpp - llmc run --prompts --------------------------------------------------------------===//
#include "tools/llmc/Conversation.h"
#include "tools/llmc/Interrupt.h"
#include "tools/llmc/Progress.h"

#include "runtime/io/Message.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <optional>
#include <system_error>
#include <thread>

namespace llmc::tool {

absl::StatusOr<std::vector<int32_t>> Conversation::encodeFilePrompt(const FilePrompt &prompt) const {
  if (!prompt.messages.empty() && !chatTemplate)
    return absl::InvalidArgumentError(
        options.raw ? "has messages, expected a prompt with --raw"
                    : "has messages, and the model has no chat template; expected a prompt");
  absl::StatusOr<std::vector<int32_t>> ids =
      prompt.messages.empty() ? encodePrompt(prompt.text) : encodeMessages(prompt.messages);
  if (!ids.ok())
    return ids;
  const auto count = static_cast<int64_t>(ids->size());
  if (count == 0)
    return absl::InvalidArgumentError("the prompt has no tokens, expected at least one");
  if (count > contextLength && !text.generation.keepOnShift)
    return absl::OutOfRangeError(
        absl::StrCat("the prompt has ", count, " tokens, but the context holds ", contextLength));
  return ids;
}

namespace {

/// The answers to prompts, by threads, as each has time.
class Answers {
public:
  Answers(const generate::TextOptions &text, const text::Tokenizer &tokenizer,
          const std::vector<FilePrompt> &prompts, const std::vector<std::vector<int32_t>> &encoded,
          size_t first)
      : text(text), tokenizer(tokenizer), prompts(prompts), encoded(encoded), next(first),
        completions(prompts.size()) {}
  ~Answers() {
    isStopped = true;
    for (std::thread &thread : threads)
      thread.join();
  }
  Answers(const Answers &) = delete;
  Answers &operator=(const Answers &) = delete;

  /// Fails where the system gives fewer threads than there are answerers.
  absl::Status start(std::vector<Answerer> answerers) {
    const size_t count = answerers.size();
    try {
      for (Answerer &answerer : answerers)
        threads.emplace_back([this, answerer = std::move(answerer)]() mutable {
          // What an answerer does beside others ends with it.
          const Answerer own = std::move(answerer);
          work(own);
        });
    } catch (const std::system_error &error) {
      isStopped = true;
      return absl::ResourceExhaustedError(absl::StrCat("cannot start ", count,
                                                       " threads to answer prompts, only ", threads.size(),
                                                       ": ", error.code().message()));
    }
    return absl::OkStatus();
  }

  /// Waits for the answer to prompt `i`.
  absl::StatusOr<generate::Completion> get(size_t i) {
    absl::MutexLock lock(&mutex);
    const auto isThere = [&] { return completions[i].has_value(); };
    mutex.Await(absl::Condition(&isThere));
    return *std::move(completions[i]);
  }

private:
  void work(const Answerer &answerer) {
    generate::TextOptions own = text;
    own.generation.rules.constraint = answerer.constraint;
    const auto isOver = [&] { return isStopped || Interrupt::requested(); };
    for (size_t i = next++; i < prompts.size(); i = next++) {
      // Of the line, so that an answer does not depend on where a run begins.
      own.generation.sampling.text = static_cast<uint32_t>(prompts[i].line);
      absl::StatusOr<generate::Completion> completion = absl::CancelledError("interrupted");
      if (!isOver())
        completion = generate::completeText(answerer.engine, tokenizer, encoded[i], own,
                                            [&](absl::string_view) { return !isOver(); });
      absl::MutexLock lock(&mutex);
      completions[i] = std::move(completion);
    }
  }

  const generate::TextOptions &text;
  const text::Tokenizer &tokenizer;
  const std::vector<FilePrompt> &prompts;
  const std::vector<std::vector<int32_t>> &encoded;
  std::atomic<size_t> next; ///< prompt that no thread has begun
  std::atomic<bool> isStopped = false;
  absl::Mutex mutex;
  std::vector<std::optional<absl::StatusOr<generate::Completion>>> completions;
  std::vector<std::thread> threads;
};

} // namespace

Json Conversation::describe(const FilePrompt &prompt, const std::vector<int32_t> &ids,
                            const generate::Completion &completion) const {
  Json object = {{"line", prompt.line}};
  if (!prompt.id.is_null())
    object["id"] = prompt.id;
  object.update(describe(ids, completion));
  return object;
}

ExitCode Conversation::answerFile(std::vector<Answerer> answerers) {
  const std::string &path = *options.promptFile;
  const auto where = [&](const FilePrompt &prompt) { return absl::StrCat(path, ":", prompt.line); };
  absl::StatusOr<std::vector<FilePrompt>> prompts = readPrompts(path);
  if (!prompts.ok())
    return fail(prompts.status());
  // What is wrong with any of them is found out before the first is answered.
  std::vector<std::vector<int32_t>> encoded;
  for (const FilePrompt &prompt : *prompts) {
    absl::StatusOr<std::vector<int32_t>> ids = encodeFilePrompt(prompt);
    if (!ids.ok())
      return fail(io::withContext(where(prompt), ids.status()));
    encoded.push_back(*std::move(ids));
  }

  const auto start = std::chrono::steady_clock::now();
  Progress progress;
  int64_t answers = 0, promptTokens = 0, reusedTokens = 0, tokens = 0;
  bool isCancelled = false;
  Interrupt interrupt;
  Answers completions(text, tokenizer, *prompts, encoded, options.skippedPrompts);
  if (absl::Status status = completions.start(std::move(answerers)); !status.ok())
    return fail(status);
  for (size_t i = options.skippedPrompts; i < prompts->size(); ++i) {
    const FilePrompt &prompt = (*prompts)[i];
    progress.update("prompts", static_cast<int64_t>(i), static_cast<int64_t>(prompts->size()));
    absl::StatusOr<generate::Completion> completion = completions.get(i);
    progress.clear();
    if (!completion.ok() && !absl::IsCancelled(completion.status()))
      return fail(io::withContext(where(prompt), completion.status()));
    // An answer is written as a whole or not at all, so that --skip can go on behind what was written.
    isCancelled =
        !completion.ok() || completion->finishReason == runtime::nameOf(runtime::FinishReason::Caller);
    if (isCancelled)
      break;
    printJson(describe(prompt, encoded[i], *completion));
    if (std::fflush(stdout) != 0 || std::ferror(stdout))
      return fail(absl::DataLossError(
          absl::StrCat("cannot write to the standard output stream: ", std::strerror(errno))));
    ++answers;
    promptTokens += completion->stats.promptTokens;
    reusedTokens += completion->stats.reusedTokens;
    tokens += static_cast<int64_t>(completion->tokens.size());
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (!options.quiet)
    absl::FPrintF(stderr,
                  "%d prompts answered in %.1f s; %d prompt tokens (%d more were there already), %d tokens; "
                  "loaded in %.3f s; peak memory %d MiB\n",
                  answers, seconds, promptTokens, reusedTokens, tokens, loadSeconds,
                  runtime::peakResidentBytes() >> 20);
  return isCancelled ? ExitCode::Interrupted : ExitCode::Success;
}

} // namespace llmc::tool
