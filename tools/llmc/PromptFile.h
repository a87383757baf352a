//===- PromptFile.h - the prompts of a file -------------------------------------------------------------===//
#ifndef LLMC_TOOLS_LLMC_PROMPTFILE_H
#define LLMC_TOOLS_LLMC_PROMPTFILE_H

#include "tools/llmc/Json.h"

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include <cstdint>
#include <string>
#include <vector>

namespace llmc::tool {

/// A prompt of a file: a message, or a conversation that the model is to go on with.
struct FilePrompt {
  int64_t line = 0; ///< of the file, from 1
  std::string text;
  Json messages = Json::array(); ///< a conversation, if not empty, instead of `text`
  Json id;                       ///< what the file calls the prompt; null if nothing
};

/// One line of a prompt file. `isJson`: an object with the member `prompt`, a string, or `messages`, an array
/// of objects; it may have an `id`. Else the line is the prompt. Fails on anything else.
absl::StatusOr<FilePrompt> parsePrompt(absl::string_view line, bool isJson);

/// The prompts of the file at `path`, one a line; empty lines are none. The lines are JSON if the name ends
/// in .jsonl or .json. Errors begin with path and line.
absl::StatusOr<std::vector<FilePrompt>> readPrompts(const std::string &path);

} // namespace llmc::tool

#endif // LLMC_TOOLS_LLMC_PROMPTFILE_H
