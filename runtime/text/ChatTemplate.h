//===- ChatTemplate.h - conversations as prompts --------------------------===//

#ifndef LLMC_TEXT_CHAT_TEMPLATE_H
#define LLMC_TEXT_CHAT_TEMPLATE_H

#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "runtime/text/Tokenizer.h"
#include "runtime/text/jinja/Template.h"

namespace llmc::text {

/// A conversation, and how to turn it into a prompt.
struct ChatInputs {
  /// An array of objects with the members role and content, and what else the template knows.
  nlohmann::ordered_json messages = nlohmann::ordered_json::array();
  /// An array of tools, or null.
  nlohmann::ordered_json tools;
  /// End with the beginning of the assistant's turn.
  bool addGenerationPrompt = true;
  /// Further variables of the template, such as enable_thinking.
  nlohmann::ordered_json variables = nlohmann::ordered_json::object();
  /// What the template takes for the present.
  std::optional<absl::Time> now;
};

/// The chat template of a model. The prompt holds all special tokens as text: encode it with parseSpecial and
/// without addSpecialTokens. Immutable and thread-safe.
class ChatTemplate {
public:
  /// Takes the template of `tokenizer` and the texts of its special tokens. Fails if the model has no
  /// template, or one that is malformed.
  static absl::StatusOr<ChatTemplate> create(const Tokenizer &tokenizer);

  /// The same with a template from elsewhere.
  static absl::StatusOr<ChatTemplate> create(absl::string_view source, const Tokenizer &tokenizer);

  /// The prompt of a conversation. Fails where the template refuses the conversation; the error names the
  /// line of the template and its message.
  absl::StatusOr<std::string> render(const ChatInputs &inputs) const;

private:
  ChatTemplate(jinja::Template parsed, nlohmann::ordered_json tokens)
      : parsed(std::move(parsed)), specialTokens(std::move(tokens)) {}

  jinja::Template parsed;
  nlohmann::ordered_json specialTokens; // bos_token and so on, by the name that templates know
};

} // namespace llmc::text

#endif
