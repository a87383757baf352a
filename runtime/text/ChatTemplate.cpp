//===- ChatTemplate.cpp - conversations as prompts ------------------------===//

#include "runtime/text/ChatTemplate.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace llmc::text {

absl::StatusOr<ChatTemplate> ChatTemplate::create(const Tokenizer &tokenizer) {
  if (tokenizer.chatTemplate().empty())
    return absl::NotFoundError("the model has no chat template");
  return create(tokenizer.chatTemplate(), tokenizer);
}

absl::StatusOr<ChatTemplate> ChatTemplate::create(absl::string_view source, const Tokenizer &tokenizer) {
  absl::StatusOr<jinja::Template> parsed = jinja::Template::parse(source);
  if (!parsed.ok())
    return absl::Status(parsed.status().code(), absl::StrCat("chat template: ", parsed.status().message()));
  nlohmann::ordered_json tokens = nlohmann::ordered_json::object();
  const std::pair<const char *, std::optional<int32_t>> roles[] = {{"bos_token", tokenizer.bosId()},
                                                                   {"eos_token", tokenizer.eosId()},
                                                                   {"unk_token", tokenizer.unkId()},
                                                                   {"pad_token", tokenizer.padId()}};
  for (auto [name, id] : roles)
    if (id)
      tokens[name] = std::string(tokenizer.tokenText(*id));
  return ChatTemplate(*std::move(parsed), std::move(tokens));
}

absl::StatusOr<std::string> ChatTemplate::render(const ChatInputs &inputs) const {
  nlohmann::ordered_json variables = specialTokens;
  variables["messages"] = inputs.messages;
  variables["tools"] = inputs.tools;
  variables["documents"] = nullptr;
  variables["add_generation_prompt"] = inputs.addGenerationPrompt;
  for (const auto &[name, value] : inputs.variables.items())
    variables[name] = value;
  absl::StatusOr<std::string> prompt = parsed.render(variables, inputs.now);
  if (!prompt.ok())
    return absl::Status(prompt.status().code(), absl::StrCat("chat template: ", prompt.status().message()));
  return prompt;
}

} // namespace llmc::text
