//===- HuggingFaceCheckpoint.cpp - a Hugging Face directory as a checkpoint --------------------------===//

#include "absl/strings/str_cat.h"
#include "frontend/hf/Directory.h"
#include "frontend/import/Formats.h"
#include "frontend/import/TokenizerFiles.h"
#include "frontend/json/Parse.h"
#include "frontend/safetensors/Checkpoint.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

using namespace llmc;
using namespace llmc::frontend;

namespace {

template <typename T>
std::optional<std::vector<T>> listOf(const nlohmann::json &list, bool (*matches)(const nlohmann::json &)) {
  std::vector<T> values;
  for (const nlohmann::json &element : list) {
    if (!matches(element))
      return std::nullopt;
    values.push_back(element.get<T>());
  }
  return values;
}

bool isInteger(const nlohmann::json &value) {
  // Above 2^63 - 1 an unsigned number has no int64_t.
  return value.is_number_integer() &&
         !(value.is_number_unsigned() && value.get<uint64_t>() > uint64_t(INT64_MAX));
}
bool isNumber(const nlohmann::json &value) { return value.is_number(); }
bool isString(const nlohmann::json &value) { return value.is_string(); }

std::optional<std::vector<std::vector<int64_t>>> listsOf(const nlohmann::json &list) {
  std::vector<std::vector<int64_t>> lists;
  for (const nlohmann::json &element : list) {
    auto integers = element.is_array() ? listOf<int64_t>(element, isInteger) : std::nullopt;
    if (!integers)
      return std::nullopt;
    lists.push_back(*std::move(integers));
  }
  return lists;
}

Field fieldOf(const nlohmann::json &value) {
  if (value.is_null())
    return NullField();
  if (value.is_boolean())
    return value.get<bool>();
  if (isInteger(value))
    return value.get<int64_t>();
  if (value.is_number())
    return value.get<double>();
  if (value.is_string())
    return value.get<std::string>();
  if (value.is_object())
    return ObjectField();
  if (value.is_array()) {
    if (auto integers = listOf<int64_t>(value, isInteger))
      return *integers;
    if (auto numbers = listOf<double>(value, isNumber))
      return *numbers;
    if (auto texts = listOf<std::string>(value, isString))
      return *texts;
    if (auto lists = listsOf(value))
      return *lists;
  }
  return OtherField{json::describe(value)};
}

/// The field at `key`, in which dots lead into objects.
Field lookUp(const nlohmann::json &object, const std::string &key) {
  size_t dot = key.find('.');
  auto found = object.find(key.substr(0, dot));
  if (found == object.end())
    return MissingField();
  if (dot == std::string::npos)
    return fieldOf(*found);
  return found->is_object() ? lookUp(*found, key.substr(dot + 1)) : Field(MissingField());
}

/// The value of `license:` in the front matter of a model card (README.md), or nothing.
std::string readLicence(const std::string &path) {
  auto file = llvm::MemoryBuffer::getFile(path, /*IsText=*/true);
  if (!file)
    return "";
  llvm::StringRef rest = (*file)->getBuffer();
  if (!rest.consume_front("---\n"))
    return "";
  while (!rest.empty() && !rest.starts_with("---")) {
    auto [line, following] = rest.split('\n');
    if (line.consume_front("license:"))
      return line.trim(" \t\r'\"").str();
    rest = following;
  }
  return "";
}

class HuggingFaceCheckpoint : public Checkpoint {
public:
  HuggingFaceCheckpoint(hf::Directory directory, safetensors::Checkpoint tensorFiles)
      : Checkpoint(Format::HuggingFace, directory.path()), directory(std::move(directory)),
        tensorFiles(std::move(tensorFiles)) {}

  absl::Status load() {
    absl::StatusOr<std::vector<std::string>> names = directory.architectures();
    if (!names.ok())
      return names.status();
    if (names->size() != 1)
      return directory.config().wrong("architectures", "a list of one architecture");
    architectureName = names->front();
    llvm::SmallString<128> absolute(filePath);
    (void)llvm::sys::fs::make_absolute(absolute);
    llvm::sys::path::remove_dots(absolute, /*remove_dot_dot=*/true);
    modelCard.name = llvm::sys::path::filename(absolute).str();
    if (std::optional<std::string> readme = directory.find("README.md"))
      modelCard.licence = readLicence(*readme);
    for (const safetensors::Located &located : tensorFiles.tensors()) {
      StoredTensor &target = stored[located.tensor->name];
      target.file = located.shard->path();
      if (absl::StatusOr<blocks::StorageFormat> format = located.tensor->weightFormat(); format.ok())
        target.format = *format;
      target.typeName = std::string(safetensors::nameOf(located.tensor->type));
      target.shape.assign(located.tensor->shape.begin(), located.tensor->shape.end());
      target.bytes = located.tensor->bytes;
    }
    return absl::OkStatus();
  }

  std::vector<std::string> files() const override {
    std::vector<std::string> paths = tensorFiles.files();
    paths.insert(paths.end(), directory.files().begin(), directory.files().end());
    return paths;
  }
  Hyperparameters hyperparameters() const override { return viewOf(directory.config()); }
  Hyperparameters generationDefaults() const override {
    if (directory.generationConfig())
      return viewOf(*directory.generationConfig());
    return Hyperparameters(Format::HuggingFace, filePath, "",
                           [](const std::string &) { return MissingField(); });
  }
  absl::StatusOr<std::string> readTokenizer() const override { return readHuggingFaceTokenizer(directory); }
  absl::StatusOr<std::optional<hf::SentenceEmbedding>> readEmbedding() const override {
    return hf::readSentenceEmbedding(directory);
  }

private:
  static Hyperparameters viewOf(const json::Object &object) {
    return Hyperparameters(Format::HuggingFace, object.file(), "",
                           [object](const std::string &key) { return lookUp(object.value(), key); });
  }

  hf::Directory directory;
  safetensors::Checkpoint tensorFiles;
};

} // namespace

absl::StatusOr<std::unique_ptr<Checkpoint>> llmc::frontend::openHuggingFace(const std::string &path) {
  absl::StatusOr<hf::Directory> directory = hf::Directory::open(path);
  if (!directory.ok())
    return directory.status();
  absl::StatusOr<safetensors::Checkpoint> tensors = safetensors::Checkpoint::open(path);
  if (!tensors.ok())
    return tensors.status();
  auto checkpoint = std::make_unique<HuggingFaceCheckpoint>(std::move(*directory), std::move(*tensors));
  if (absl::Status status = checkpoint->load(); !status.ok())
    return status;
  return checkpoint;
}
