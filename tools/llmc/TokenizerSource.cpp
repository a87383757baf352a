//===- TokenizerSource.cpp - a tokenizer on disk ----------------------------------------------------------===//
#include "tools/llmc/TokenizerSource.h"

#include "frontend/tokenizer/TokenizerJson.h"
#include "runtime/io/MappedFile.h"

#include "absl/strings/str_cat.h"

#include <filesystem>

namespace llmc::tool {

namespace fs = std::filesystem;

absl::StatusOr<std::string> readWhole(const std::string &path) {
  absl::StatusOr<io::MappedFile> file = io::MappedFile::open(path);
  if (!file.ok())
    return file.status();
  return std::string(reinterpret_cast<const char *>(file->bytes().data()), file->bytes().size());
}

absl::StatusOr<TokenizerSource> readTokenizer(const std::string &path) {
  std::error_code error;
  const bool isFolder = fs::is_directory(path, error);
  const fs::path json = isFolder ? fs::path(path) / "tokenizer.json" : fs::path(path);
  TokenizerSource source;
  absl::StatusOr<std::string> contents = readWhole(json.string());
  if (!contents.ok())
    return contents.status();
  tokenizer::HuggingFaceTokenizerFiles files;
  files.tokenizerJson = *contents;
  source.files.emplace_back("tokenizer.json", *contents);
  std::string config;
  const fs::path configPath = json.parent_path() / "tokenizer_config.json";
  if (fs::exists(configPath, error)) {
    absl::StatusOr<std::string> text = readWhole(configPath.string());
    if (!text.ok())
      return text.status();
    config = *std::move(text);
    files.config.tokenizerConfigJson = config;
    source.files.emplace_back("tokenizer_config.json", config);
  }
  absl::StatusOr<text::TokenizerModel> model = tokenizer::importTokenizerJson(files);
  if (!model.ok())
    return absl::Status(model.status().code(), absl::StrCat(json.string(), ": ", model.status().message()));
  source.model = model->SerializeAsString();
  return source;
}

absl::StatusOr<std::unique_ptr<text::Tokenizer>> makeTokenizer(const TokenizerSource &source) {
  text::TokenizerModel model;
  if (!model.ParseFromString(source.model))
    return absl::InternalError("the tokenizer was lost");
  return text::Tokenizer::create(model);
}

} // namespace llmc::tool
