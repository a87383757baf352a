//===- DirectoryFields.cpp - what a Hugging Face directory says of its model -------------------------===//

#include "frontend/import/DirectoryFields.h"
#include "frontend/json/Parse.h"
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

} // namespace

Hyperparameters llmc::frontend::fieldsOf(const json::Object &object, Format format) {
  return Hyperparameters(format, object.file(), "",
                         [object](const std::string &key) { return lookUp(object.value(), key); });
}

ModelCard llmc::frontend::readModelCard(const hf::Directory &directory) {
  llvm::SmallString<128> absolute(directory.path());
  (void)llvm::sys::fs::make_absolute(absolute);
  llvm::sys::path::remove_dots(absolute, /*remove_dot_dot=*/true);
  ModelCard card;
  card.name = llvm::sys::path::filename(absolute).str();
  if (std::optional<std::string> readme = directory.find("README.md"))
    card.licence = readLicence(*readme);
  return card;
}
