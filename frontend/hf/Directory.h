#ifndef LLMC_FRONTEND_HF_DIRECTORY_H
#define LLMC_FRONTEND_HF_DIRECTORY_H

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "frontend/json/Object.h"

namespace llmc::hf {

/// The configuration files of a Hugging Face directory. Errors are one line that names file and field.
class Directory {
public:
  /// Reads config.json, which must be there, and generation_config.json and tokenizer_config.json, which
  /// may be missing.
  static absl::StatusOr<Directory> open(absl::string_view path);

  /// The path as it was given to open().
  const std::string &path() const { return rootPath; }

  const json::Object &config() const { return configFile; }
  const std::optional<json::Object> &generationConfig() const { return generationFile; }
  const std::optional<json::Object> &tokenizerConfig() const { return tokenizerConfigFile; }

  /// The classes that config.json names, e.g. LlamaForCausalLM; at least one.
  absl::StatusOr<std::vector<std::string>> architectures() const;

  /// The tokens that end a text: `eos_token_id` of generation_config.json, or else of config.json; one id or
  /// a list. Empty if neither says.
  absl::StatusOr<std::vector<int64_t>> endTokens() const;

  /// The path of a file in this directory, or nothing if it does not exist.
  std::optional<std::string> find(absl::string_view name) const;

  /// The files that were read, or found with find(), so far.
  const std::vector<std::string> &files() const { return foundFiles; }

  /// Reads a JSON object beside config.json, e.g. "modules.json"; nothing if the file does not exist.
  absl::StatusOr<std::optional<json::Object>> readObject(absl::string_view name) const;

  /// The same for a file that must be there.
  absl::StatusOr<json::Object> readNeededObject(absl::string_view name) const;

private:
  Directory(std::string path, json::Object config)
      : rootPath(std::move(path)), configFile(std::move(config)) {}

  std::string rootPath;
  json::Object configFile;
  std::optional<json::Object> generationFile;
  std::optional<json::Object> tokenizerConfigFile;
  /// Grows in find(), which leaves what a directory is as it was.
  mutable std::vector<std::string> foundFiles;
};

} // namespace llmc::hf

#endif // LLMC_FRONTEND_HF_DIRECTORY_H
