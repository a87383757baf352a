//===- JsonField.cpp - reading fields of JSON files with errors -----------===//

#include "frontend/tokenizer/JsonField.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

#include "frontend/json/Parse.h"

namespace llmc::tokenizer {

namespace {

const nlohmann::json &nullValue() {
  static const nlohmann::json null;
  return null;
}

} // namespace

absl::StatusOr<nlohmann::json> parseJson(absl::string_view file, absl::string_view text) {
  absl::StatusOr<nlohmann::json> json = json::parse(text);
  if (!json.ok())
    return absl::Status(json.status().code(), absl::StrCat(file, ": ", json.status().message()));
  return json;
}

JsonField JsonField::operator[](absl::string_view name) const {
  // A place without a field yet ends in the name of the file.
  std::string place = absl::StrCat(where, where.find(": ") == std::string::npos ? ": " : ".", name);
  if (!json->is_object())
    return JsonField(nullValue(), std::move(place));
  auto member = json->find(std::string(name));
  return JsonField(member == json->end() ? nullValue() : *member, std::move(place));
}

JsonField JsonField::element(size_t index) const {
  return JsonField((*json)[index], absl::StrCat(where, "[", index, "]"));
}

absl::StatusOr<std::string> JsonField::string() const {
  if (!json->is_string())
    return wrongKind("a string");
  return json->get_ref<const std::string &>();
}

absl::StatusOr<std::string> JsonField::stringOr(absl::string_view fallback) const {
  return isNull() ? std::string(fallback) : string();
}

absl::StatusOr<bool> JsonField::booleanOr(bool fallback) const {
  if (isNull())
    return fallback;
  if (!json->is_boolean())
    return wrongKind("true or false");
  return json->get<bool>();
}

absl::StatusOr<uint32_t> JsonField::id() const {
  if (!json->is_number_integer() || json->get<int64_t>() < 0 || json->get<int64_t>() > INT32_MAX)
    return wrongKind("a whole number from 0 to 2147483647");
  return static_cast<uint32_t>(json->get<int64_t>());
}

absl::StatusOr<size_t> JsonField::arraySize() const {
  if (!json->is_array())
    return wrongKind("an array");
  return json->size();
}

absl::Status JsonField::error(absl::string_view message) const {
  return absl::InvalidArgumentError(absl::StrCat(where, ": ", message));
}

absl::Status JsonField::unsupported(absl::string_view message) const {
  return absl::UnimplementedError(absl::StrCat(where, ": ", message));
}

absl::Status JsonField::wrongKind(absl::string_view expected) const {
  return error(absl::StrCat("is ", isNull() ? "missing" : json->type_name(), ", expected ", expected));
}

} // namespace llmc::tokenizer
