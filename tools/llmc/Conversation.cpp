#include "tools/llmc/Conversation.h"

#include "runtime/io/Message.h"
#include "tools/llmc/Interrupt.h"
#include "tools/llmc/Json.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <iterator>
#include <unistd.h>

namespace llmc::tool {

/// A token as text and how likely it was.
static Json describeToken(const text::Tokenizer &tokenizer, int32_t token, double logProbability) {
  return {{"token_id", token},
          {"token", tokenizer.bytesOfToken(token, text::TokenPlace::Inside)},
          {"logprob", logProbability}};
}

static Json describeScores(const generate::Completion &completion, const text::Tokenizer &tokenizer) {
  Json scores = Json::array();
  for (size_t i = 0; i < completion.scores.size(); ++i) {
    Json token = describeToken(tokenizer, completion.tokens[i], completion.scores[i].logProbability);
    Json &best = token["top_logprobs"] = Json::array();
    for (const runtime::TokenLogProbability &other : completion.scores[i].best)
      best.push_back(describeToken(tokenizer, other.token, other.logProbability));
    scores.push_back(std::move(token));
  }
  return scores;
}

/// "-0.1234 " and the token as a string of JSON.
static std::string scoreText(const Json &token) {
  return absl::StrFormat("%.4f %s", token["logprob"].get<double>(),
                         token["token"].dump(-1, ' ', false, Json::error_handler_t::replace));
}

absl::StatusOr<Conversation> Conversation::create(const RunOptions &options,
                                                  const generate::TextOptions &text,
                                                  const text::Tokenizer &tokenizer, int64_t contextLength,
                                                  double loadSeconds) {
  Conversation conversation(options, text, tokenizer, contextLength, loadSeconds);
  if (!options.raw && !tokenizer.chatTemplate().empty()) {
    auto chatTemplate = text::ChatTemplate::create(tokenizer);
    if (!chatTemplate.ok())
      return io::withContext(options.model.path, chatTemplate.status());
    conversation.chatTemplate = *std::move(chatTemplate);
  }
  conversation.startAnew();
  return conversation;
}

void Conversation::startAnew() {
  said = {};
  usedTokens = 0;
  if (!options.system.empty())
    say("system", options.system);
}

void Conversation::say(const char *role, const std::string &content) {
  said.messages.push_back({{"role", role}, {"content", content}});
}

absl::Status Conversation::checkTemplate(bool isInteractive) const {
  if (chatTemplate || options.raw)
    return absl::OkStatus();
  if (isInteractive)
    return absl::InvalidArgumentError("the model has no chat template, so it holds no conversation; give it "
                                      "something to continue with --prompt");
  if (!options.system.empty())
    return absl::InvalidArgumentError("the model has no chat template, so --system has no place");
  if (!options.quiet)
    std::fprintf(stderr, "llmc: the model has no chat template; the prompt goes to it as it is\n");
  return absl::OkStatus();
}

ExitCode Conversation::run(std::vector<Answerer> answerers) {
  if (absl::Status status = checkTemplate(/*isInteractive=*/false); !status.ok())
    return fail(io::withContext(options.model.path, status));
  return answerFile(std::move(answerers));
}

ExitCode Conversation::run(generate::Engine engine) {
  const bool isInteractive = !options.prompt && !options.promptFile && isatty(STDIN_FILENO);
  if (absl::Status status = checkTemplate(isInteractive); !status.ok())
    return fail(io::withContext(options.model.path, status));
  if (isInteractive)
    return chat(engine);
  if (options.promptFile)
    return answerFile({{engine, text.generation.rules.constraint}});
  if (options.prompt)
    return answerOnce(engine, *options.prompt);
  std::string input{std::istreambuf_iterator<char>(std::cin), {}};
  return answerOnce(engine, std::string(absl::StripSuffix(input, "\n")));
}

ExitCode Conversation::answerOnce(generate::Engine engine, const std::string &prompt) {
  absl::StatusOr<std::vector<int32_t>> ids = encodePrompt(prompt);
  if (!ids.ok())
    return fail(io::withContext(options.model.path, ids.status()));
  absl::StatusOr<generate::Completion> completion = answer(engine, *ids, /*number=*/0);
  if (!completion.ok())
    return fail(io::withContext(options.model.path, completion.status()));
  return completion->finishReason == "cancelled" ? ExitCode::Interrupted : ExitCode::Success;
}

ExitCode Conversation::chat(generate::Engine engine) {
  std::fprintf(
      stderr,
      "A line is a message; /new forgets what was said, /exit or Ctrl-D ends, Ctrl-C ends an answer.\n");
  while (true) {
    std::fprintf(stderr, "> ");
    std::string line;
    if (!std::getline(std::cin, line)) {
      std::fprintf(stderr, "\n");
      return ExitCode::Success;
    }
    if (line == "/exit")
      return ExitCode::Success;
    if (line.empty())
      continue;
    if (line == "/new") {
      startAnew();
      continue;
    }
    if (absl::Status status = reply(engine, line); !status.ok())
      return fail(io::withContext(options.model.path, status));
  }
}

absl::Status Conversation::reply(generate::Engine engine, const std::string &message) {
  absl::StatusOr<std::vector<int32_t>> ids = encodePrompt(message);
  if (!ids.ok())
    return ids.status();
  const int64_t needed = static_cast<int64_t>(ids->size());
  if (needed > contextLength && !text.generation.keepOnShift) {
    if (usedTokens == 0)
      absl::FPrintF(stderr, "The message is too long: it takes %d tokens, and the context holds %d.\n",
                    needed, contextLength);
    else
      absl::FPrintF(stderr,
                    "The context is full: %d of %d tokens are used, and this message takes %d more; /new "
                    "starts again.\n",
                    usedTokens, contextLength, needed - usedTokens);
    return absl::OkStatus();
  }
  absl::StatusOr<generate::Completion> completion = answer(engine, *ids, replies++);
  if (!completion.ok())
    return completion.status();
  say("user", message);
  say("assistant", completion->text);
  usedTokens = std::min(needed + static_cast<int64_t>(completion->tokens.size()), contextLength);
  if (completion->finishReason == runtime::nameOf(runtime::FinishReason::Context))
    absl::FPrintF(stderr, "The context is full: %d of %d tokens are used; /new starts again.\n", usedTokens,
                  contextLength);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<int32_t>> Conversation::encodePrompt(const std::string &prompt) const {
  if (!chatTemplate)
    return tokenizer.encode(prompt);
  return encodeMessages(Json::array({{{"role", "user"}, {"content", prompt}}}));
}

absl::StatusOr<std::vector<int32_t>> Conversation::encodeMessages(const Json &messages) const {
  text::ChatInputs all = said;
  all.messages.insert(all.messages.end(), messages.begin(), messages.end());
  absl::StatusOr<std::string> rendered = chatTemplate->render(all);
  if (!rendered.ok())
    return rendered.status();
  // The template writes the special tokens itself.
  return tokenizer.encode(*rendered, {.addSpecialTokens = false});
}

absl::StatusOr<generate::Completion>
Conversation::answer(generate::Engine engine, const std::vector<int32_t> &prompt, uint32_t number) {
  generate::TextOptions numbered = text;
  numbered.generation.sampling.text = number;
  // Only while an answer is made: where the user is asked, Ctrl-C ends the program as usual.
  Interrupt interrupt;
  const bool streams = !options.json && !options.promptFile && !options.logProbabilities;
  absl::StatusOr<generate::Completion> completion =
      generate::completeText(engine, tokenizer, prompt, numbered, [&](absl::string_view part) {
        if (streams) {
          std::fwrite(part.data(), 1, part.size(), stdout);
          std::fflush(stdout);
        }
        return !Interrupt::requested();
      });
  if (!completion.ok())
    return completion.status();
  if (streams)
    std::fprintf(stdout, "\n");
  else if (!options.json && !options.promptFile)
    printScores(*completion);
  std::fflush(stdout);
  if (!options.promptFile)
    report(prompt, *completion);
  return completion;
}

Json Conversation::describe(const std::vector<int32_t> &prompt,
                            const generate::Completion &completion) const {
  const runtime::GenerationStats &stats = completion.stats;
  Json object = {{"model", options.model.path},
                 {"text", completion.text},
                 {"token_ids", completion.tokens},
                 {"finish_reason", completion.finishReason},
                 {"prompt_token_ids", prompt},
                 {"reused_prompt_tokens", stats.reusedTokens},
                 {"seed", text.generation.sampling.seed},
                 {"load_seconds", loadSeconds},
                 {"time_to_first_token_seconds", stats.firstTokenSeconds},
                 {"prompt_tokens_per_second", stats.promptTokensPerSecond()},
                 {"decode_tokens_per_second", stats.decodedTokensPerSecond()},
                 {"peak_memory_bytes", stats.peakResidentBytes}};
  if (text.generation.keepOnShift)
    object["context_shifts"] = stats.shifts;
  if (text.generation.draft.sequence != nullptr) {
    object["draft_tokens"] = stats.proposedTokens;
    object["accepted_draft_tokens"] = stats.acceptedTokens;
  }
  if (options.logProbabilities)
    object["logprobs"] = describeScores(completion, tokenizer);
  return object;
}

void Conversation::printScores(const generate::Completion &completion) const {
  for (const Json &token : describeScores(completion, tokenizer)) {
    std::string line = scoreText(token);
    for (const Json &other : token["top_logprobs"])
      absl::StrAppend(&line, "\t", scoreText(other));
    std::fprintf(stdout, "%s\n", line.c_str());
  }
}

void Conversation::report(const std::vector<int32_t> &prompt, const generate::Completion &completion) const {
  const runtime::GenerationStats &stats = completion.stats;
  if (options.json)
    printJson(describe(prompt, completion));
  if (options.quiet)
    return;
  std::string also;
  if (stats.reusedTokens > 0)
    absl::StrAppend(&also, " (", stats.reusedTokens, " more were there already)");
  absl::FPrintF(stderr, "%d prompt tokens at %.1f/s%s, first token after %.3f s, %d tokens at %.1f/s (%s)",
                stats.promptTokens, stats.promptTokensPerSecond(), also, stats.firstTokenSeconds,
                completion.tokens.size(), stats.decodedTokensPerSecond(), completion.finishReason);
  if (stats.shifts > 0)
    absl::FPrintF(stderr, "; context shifted %d times", stats.shifts);
  if (stats.proposedTokens > 0)
    absl::FPrintF(stderr, "; %d of %d tokens of the draft accepted", stats.acceptedTokens,
                  stats.proposedTokens);
  absl::FPrintF(stderr, "; loaded in %.3f s; peak memory %d MiB\n", loadSeconds,
                stats.peakResidentBytes >> 20);
}

} // namespace llmc::tool
