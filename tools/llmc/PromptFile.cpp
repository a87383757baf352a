#include "tools/llmc/PromptFile.h"

#include "frontend/json/Parse.h"
#include "runtime/io/Message.h"

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <system_error>

namespace llmc::tool {

static absl::StatusOr<FilePrompt> parseObject(absl::string_view line) {
  // What is read from it recurses over values, which are therefore not deep. Parsed again for the order of
  // fields.
  if (absl::StatusOr<nlohmann::json> checked = json::parse(line); !checked.ok())
    return absl::InvalidArgumentError(absl::StripPrefix(checked.status().message(), "line 1, "));
  const Json object = Json::parse(line);
  if (!object.is_object())
    return absl::InvalidArgumentError(
        "is no object of JSON, expected one with the member prompt or messages");
  FilePrompt prompt;
  for (const auto &[name, value] : object.items()) {
    if (name == "prompt" && value.is_string())
      prompt.text = value.get<std::string>();
    else if (name == "messages" && value.is_array() && !value.empty() &&
             absl::c_all_of(value, [](const Json &message) { return message.is_object(); }))
      prompt.messages = value;
    else if (name == "id")
      prompt.id = value;
    else if (name == "prompt" || name == "messages")
      return absl::InvalidArgumentError(
          absl::StrCat(name, ": is ", io::quote(value.dump(-1, ' ', false, Json::error_handler_t::replace)),
                       ", expected ", name == "prompt" ? "a string" : "an array of messages"));
    else
      return absl::InvalidArgumentError(
          absl::StrCat("has the member ", io::quote(name), ", expected prompt or messages, and perhaps id"));
  }
  if (object.contains("prompt") == object.contains("messages"))
    return absl::InvalidArgumentError("expected one of the members prompt and messages");
  return prompt;
}

absl::StatusOr<FilePrompt> parsePrompt(absl::string_view line, bool isJson) {
  if (isJson)
    return parseObject(line);
  FilePrompt prompt;
  prompt.text = std::string(line);
  return prompt;
}

absl::StatusOr<std::vector<FilePrompt>> readPrompts(const std::string &path) {
  std::ifstream file(path);
  const bool isJson = absl::EndsWith(path, ".jsonl") || absl::EndsWith(path, ".json");
  std::vector<FilePrompt> prompts;
  std::string line;
  for (int64_t number = 1; std::getline(file, line); ++number) {
    const absl::string_view text = absl::StripSuffix(line, "\r");
    if (absl::StripAsciiWhitespace(text).empty())
      continue;
    absl::StatusOr<FilePrompt> prompt = parsePrompt(text, isJson);
    if (!prompt.ok())
      return io::withContext(absl::StrCat(path, ":", number), prompt.status());
    prompt->line = number;
    prompts.push_back(*std::move(prompt));
  }
  if (!file.eof())
    return absl::NotFoundError(absl::StrCat(path, ": cannot be read: ", std::strerror(errno)));
  if (prompts.empty())
    return absl::InvalidArgumentError(absl::StrCat(path, ": has no prompts, expected one a line"));
  return prompts;
}

} // namespace llmc::tool
