#include "frontend/hf/Directory.h"

#include <filesystem>

#include "absl/strings/str_cat.h"

namespace llmc::hf {

absl::StatusOr<Directory> Directory::open(absl::string_view path) {
  const std::string configPath = absl::StrCat(path, "/config.json");
  absl::StatusOr<json::Object> config = json::Object::readFile(configPath);
  if (!config.ok())
    return config.status();
  Directory directory(std::string(path), *std::move(config));
  directory.foundFiles.push_back(configPath);
  for (auto [name, file] : {std::pair("generation_config.json", &directory.generationFile),
                            std::pair("tokenizer_config.json", &directory.tokenizerConfigFile)}) {
    absl::StatusOr<std::optional<json::Object>> object = directory.readObject(name);
    if (!object.ok())
      return object.status();
    *file = *std::move(object);
  }
  return directory;
}

std::optional<std::string> Directory::find(absl::string_view name) const {
  std::string path = absl::StrCat(rootPath, "/", name);
  std::error_code error;
  if (!std::filesystem::exists(path, error))
    return std::nullopt;
  foundFiles.push_back(path);
  return path;
}

absl::StatusOr<std::optional<json::Object>> Directory::readObject(absl::string_view name) const {
  std::optional<std::string> path = find(name);
  if (!path)
    return std::nullopt;
  absl::StatusOr<json::Object> object = json::Object::readFile(*path);
  if (!object.ok())
    return object.status();
  return std::optional(*std::move(object));
}

absl::StatusOr<json::Object> Directory::readNeededObject(absl::string_view name) const {
  std::string path = absl::StrCat(rootPath, "/", name);
  absl::StatusOr<json::Object> object = json::Object::readFile(path);
  if (object.ok())
    foundFiles.push_back(std::move(path));
  return object;
}

absl::StatusOr<std::vector<std::string>> Directory::architectures() const {
  absl::StatusOr<std::vector<std::string>> names = configFile.strings("architectures");
  if (names.ok() && names->empty())
    return configFile.wrong("architectures", "at least one name");
  return names;
}

absl::StatusOr<std::vector<int64_t>> Directory::endTokens() const {
  constexpr absl::string_view field = "eos_token_id";
  const json::Object &file = generationFile && generationFile->has(field) ? *generationFile : configFile;
  const nlohmann::json *value = file.find(field);
  if (!value)
    return std::vector<int64_t>();
  std::vector<int64_t> ids;
  if (value->is_array()) {
    absl::StatusOr<std::vector<int64_t>> list = file.integers(field);
    if (!list.ok())
      return list.status();
    ids = *std::move(list);
  } else {
    absl::StatusOr<int64_t> id = file.integer(field);
    if (!id.ok())
      return file.wrong(field, "a token id or a list of them");
    ids.push_back(*id);
  }
  for (int64_t id : ids)
    if (id < 0)
      return file.wrong(field, "token ids from 0");
  return ids;
}

} // namespace llmc::hf
