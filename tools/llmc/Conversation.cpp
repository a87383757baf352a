#include "tools/llmc/Conversation.h"

#include "runtime/io/Message.h"
#include "tools/llmc/Interrupt.h"
#include "tools/llmc/Json.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"

#include <cstdio>
#include <iostream>
#include <iterator>
#include <unistd.h>

namespace llmc::tool {

absl::StatusOr<Conversation> Conversation::create(const RunOptions &options,
                                                  const generate::TextOptions &text,
                                                  const text::Tokenizer &tokenizer, double loadSeconds) {
  Conversation conversation(options, text, tokenizer, loadSeconds);
  if (!options.raw && !tokenizer.chatTemplate().empty())
    return absl::UnimplementedError(absl::StrCat(
        options.model.path, ": chat templates are not supported; --raw gives the prompt as it is"));
  return conversation;
}

ExitCode Conversation::run(generate::Engine engine) {
  if (options.prompt)
    return answerOnce(engine, *options.prompt);
  std::string input{std::istreambuf_iterator<char>(std::cin), {}};
  return answerOnce(engine, std::string(absl::StripSuffix(input, "\n")));
}

ExitCode Conversation::answerOnce(generate::Engine engine, const std::string &prompt) {
  Interrupt interrupt;
  absl::StatusOr<generate::Completion> completion = answer(engine, prompt);
  if (!completion.ok())
    return fail(io::withContext(options.model.path, completion.status()));
  return completion->finishReason == "cancelled" ? ExitCode::Interrupted : ExitCode::Success;
}

absl::StatusOr<std::vector<int32_t>> Conversation::encodePrompt(const std::string &prompt) const {
  return tokenizer.encode(prompt);
}

absl::StatusOr<generate::Completion> Conversation::answer(generate::Engine engine,
                                                          const std::string &prompt) {
  absl::StatusOr<std::vector<int32_t>> ids = encodePrompt(prompt);
  if (!ids.ok())
    return ids.status();
  absl::StatusOr<generate::Completion> completion =
      generate::completeText(engine, tokenizer, *ids, text, [&](absl::string_view part) {
        if (!options.json) {
          std::fwrite(part.data(), 1, part.size(), stdout);
          std::fflush(stdout);
        }
        return !Interrupt::requested();
      });
  if (!completion.ok())
    return completion.status();
  if (!options.json)
    std::fprintf(stdout, "\n");
  std::fflush(stdout);
  if (std::ferror(stdout))
    return absl::DataLossError("the answer cannot be written to the standard output stream");
  report(*ids, *completion);
  return completion;
}

void Conversation::report(const std::vector<int32_t> &prompt, const generate::Completion &completion) const {
  const runtime::GenerationStats &stats = completion.stats;
  if (options.json)
    printJson({{"model", options.model.path},
               {"text", completion.text},
               {"token_ids", completion.tokens},
               {"finish_reason", completion.finishReason},
               {"prompt_token_ids", prompt},
               {"seed", text.generation.sampling.seed},
               {"load_seconds", loadSeconds},
               {"time_to_first_token_seconds", stats.firstTokenSeconds},
               {"prompt_tokens_per_second", stats.promptTokensPerSecond()},
               {"decode_tokens_per_second", stats.decodedTokensPerSecond()},
               {"peak_memory_bytes", stats.peakResidentBytes}});
  if (!options.quiet)
    absl::FPrintF(
        stderr,
        "%d prompt tokens at %.1f/s, first token after %.3f s, %d tokens at %.1f/s (%s); loaded in %.3f s; "
        "peak memory %d MiB\n",
        stats.promptTokens, stats.promptTokensPerSecond(), stats.firstTokenSeconds, completion.tokens.size(),
        stats.decodedTokensPerSecond(), completion.finishReason, loadSeconds, stats.peakResidentBytes >> 20);
}

} // namespace llmc::tool
