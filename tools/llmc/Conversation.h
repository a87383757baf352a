//===- Conversation.h - prompts, answers and what is printed of them ------------------------------------===//
#ifndef LLMC_TOOLS_LLMC_CONVERSATION_H
#define LLMC_TOOLS_LLMC_CONVERSATION_H

#include "runtime/text/ChatTemplate.h"
#include "tools/llmc/PromptFile.h"
#include "tools/llmc/RunOptions.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace llmc::tool {

/// What answers prompts of a file, one after the other.
struct Answerer {
  std::function<absl::StatusOr<runtime::Generation>(absl::Span<const int32_t> prompt,
                                                    const runtime::GenerationOptions &options,
                                                    absl::FunctionRef<bool(int32_t token)> onToken)>
      engine;
  std::shared_ptr<runtime::TokenConstraint> constraint; ///< null: none
};

/// The turns of `llmc run`, whatever engine writes the answers. Standard output gets the answers and nothing
/// else.
class Conversation {
public:
  /// The engine holds `contextLength` tokens; `loadSeconds` is for the statistics. Fails if the model's chat
  /// template is malformed. The references must outlive the result.
  static absl::StatusOr<Conversation> create(const RunOptions &options, const generate::TextOptions &text,
                                             const text::Tokenizer &tokenizer, int64_t contextLength,
                                             double loadSeconds);

  /// Answers --prompt, the file of --prompts, or the standard input stream, or holds a conversation.
  ExitCode run(generate::Engine engine);
  /// Answers the file of --prompts by several answerers at a time, each on a thread of its own.
  ExitCode run(std::vector<Answerer> answerers);

private:
  Conversation(const RunOptions &options, const generate::TextOptions &text, const text::Tokenizer &tokenizer,
               int64_t contextLength, double loadSeconds)
      : options(options), text(text), tokenizer(tokenizer), contextLength(contextLength),
        loadSeconds(loadSeconds) {}

  /// Whether the model can do what is asked without a chat template.
  absl::Status checkTemplate(bool isInteractive) const;
  ExitCode answerOnce(generate::Engine engine, const std::string &prompt);
  /// Answers the prompts of a file, one JSON object each.
  ExitCode answerFile(std::vector<Answerer> answerers);
  /// The object of an answer; says where its prompt is.
  Json describe(const FilePrompt &prompt, const std::vector<int32_t> &ids,
                const generate::Completion &completion) const;
  ExitCode chat(generate::Engine engine);
  /// Answers a message of the conversation, or says that the context has no room for it.
  absl::Status reply(generate::Engine engine, const std::string &message);
  void startAnew();
  void say(const char *role, const std::string &content);

  /// The ids that the model continues after the user has said `prompt`.
  absl::StatusOr<std::vector<int32_t>> encodePrompt(const std::string &prompt) const;
  /// The same where `messages` come after what was said. Only with a template.
  absl::StatusOr<std::vector<int32_t>> encodeMessages(const Json &messages) const;
  /// The prompt of a file, which the context has to hold.
  absl::StatusOr<std::vector<int32_t>> encodeFilePrompt(const FilePrompt &prompt) const;
  /// `number` tells apart what is drawn for answers of the same seed.
  absl::StatusOr<generate::Completion> answer(generate::Engine engine, const std::vector<int32_t> &prompt,
                                              uint32_t number);
  void report(const std::vector<int32_t> &prompt, const generate::Completion &completion) const;
  Json describe(const std::vector<int32_t> &prompt, const generate::Completion &completion) const;
  void printScores(const generate::Completion &completion) const;

  const RunOptions &options;
  const generate::TextOptions &text;
  const text::Tokenizer &tokenizer;
  int64_t contextLength;
  double loadSeconds;
  std::optional<text::ChatTemplate> chatTemplate; ///< none: the prompt goes to the model as it is
  text::ChatInputs said;                          ///< what was said so far
  int64_t usedTokens = 0;                         ///< of the context, by what was said so far
  uint32_t replies = 0;                           ///< that were made, those that were forgotten too
};

} // namespace llmc::tool

#endif // LLMC_TOOLS_LLMC_CONVERSATION_H
