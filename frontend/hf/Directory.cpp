#include "frontend/hf/Directory.h"

#include <filesystem>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "frontend/json/Parse.h"
#include "runtime/io/MappedFile.h"
#include "runtime/io/Message.h"

namespace llmc::hf {

absl::StatusOr<Directory> Directory::open(absl::string_view path) {
  absl::StatusOr<json::Object> config = json::Object::readFile(absl::StrCat(path, "/config.json"));
  if (!config.ok())
    return config.status();
  Directory directory(std::string(path), *std::move(config));
  for (auto [name, file] : {std::pair("generation_config.json", &directory.generationFile),
                            std::pair("tokenizer_config.json", &directory.tokenizerConfigFile),
                            std::pair("special_tokens_map.json", &directory.specialTokensFile)}) {
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

absl::StatusOr<std::optional<int64_t>> Directory::tokenId(absl::string_view field) const {
  const json::Object &file = generationFile && generationFile->has(field) ? *generationFile : configFile;
  if (!file.has(field))
    return std::nullopt;
  absl::StatusOr<int64_t> id = file.integer(field);
  if (!id.ok() || *id < 0)
    return file.wrong(field, "a token id");
  return std::optional(*id);
}

absl::StatusOr<std::optional<std::string>> Directory::specialToken(absl::string_view field) const {
  for (const std::optional<json::Object> &file : {tokenizerConfigFile, specialTokensFile}) {
    const nlohmann::json *value = file ? file->find(field) : nullptr;
    if (!value)
      continue;
    absl::StatusOr<std::string> text = file->string(field);
    if (value->is_object())
      text = file->object(field)->string("content");
    if (!text.ok())
      return text.status();
    return std::optional(*std::move(text));
  }
  return std::nullopt;
}

/// The template called "default" in a list of objects with `name` and `template`.
static absl::StatusOr<std::string> defaultTemplate(const json::Object &file) {
  absl::StatusOr<std::vector<json::Object>> list = file.objects("chat_template");
  if (!list.ok())
    return file.wrong("chat_template", "a string or a list of named templates");
  std::vector<std::string> names;
  for (const json::Object &entry : *list) {
    absl::StatusOr<std::string> name = entry.string("name");
    if (!name.ok())
      return name.status();
    if (*name == "default")
      return entry.string("template");
    names.push_back(io::quote(*name));
  }
  return absl::NotFoundError(absl::StrCat(file.file(),
                                          ": field 'chat_template' has no template called 'default', only ",
                                          names.empty() ? "an empty list" : absl::StrJoin(names, ", ")));
}

absl::StatusOr<std::optional<std::string>> Directory::chatTemplate() const {
  if (std::optional<std::string> path = find("chat_template.jinja")) {
    absl::StatusOr<io::MappedFile> file = io::MappedFile::open(*path);
    if (!file.ok())
      return file.status();
    return std::optional(std::string(file->bytes().begin(), file->bytes().end()));
  }
  const nlohmann::json *value = tokenizerConfigFile ? tokenizerConfigFile->find("chat_template") : nullptr;
  if (!value)
    return std::nullopt;
  absl::StatusOr<std::string> text = value->is_string() ? tokenizerConfigFile->string("chat_template")
                                                        : defaultTemplate(*tokenizerConfigFile);
  if (!text.ok())
    return text.status();
  return std::optional(*std::move(text));
}

} // namespace llmc::hf
