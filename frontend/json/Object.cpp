#include "frontend/json/Object.h"

#include <cmath>
#include <limits>
#include <optional>

#include "absl/strings/str_cat.h"

#include "frontend/json/Parse.h"
#include "runtime/io/Message.h"

namespace llmc::json {

using Json = nlohmann::json;

absl::StatusOr<Object> Object::readFile(absl::string_view path) {
  absl::StatusOr<Json> value = parseFile(path);
  if (!value.ok())
    return value.status();
  return make(path, *std::move(value));
}

absl::StatusOr<Object> Object::make(absl::string_view file, Json value) {
  if (!value.is_object())
    return absl::InvalidArgumentError(absl::StrCat(file, ": expected an object, found ", describe(value)));
  auto root = std::make_shared<const Json>(std::move(value));
  return Object(std::string(file), "", root, root.get());
}

const Json *Object::find(absl::string_view field) const {
  auto found = node->find(std::string(field));
  return found == node->end() || found->is_null() ? nullptr : &*found;
}

absl::Status Object::wrong(absl::string_view field, absl::string_view expected) const {
  std::string place = absl::StrCat(fileName, ": field ", io::quote(absl::StrCat(prefix, field)));
  const Json *value = find(field);
  if (!value)
    return absl::NotFoundError(absl::StrCat(place, " is missing, expected ", expected));
  return absl::InvalidArgumentError(
      absl::StrCat(place, ": expected ", expected, ", found ", describe(*value)));
}

static std::optional<int64_t> integerIn(const Json &value) {
  if (!value.is_number_integer())
    return std::nullopt;
  if (value.is_number_unsigned() && value.get<uint64_t>() > uint64_t{std::numeric_limits<int64_t>::max()})
    return std::nullopt;
  return value.get<int64_t>();
}

static std::optional<double> numberIn(const Json &value) {
  if (!value.is_number() || !std::isfinite(value.get<double>()))
    return std::nullopt;
  return value.get<double>();
}

static std::optional<std::string> stringIn(const Json &value) {
  if (!value.is_string())
    return std::nullopt;
  return value.get<std::string>();
}

/// What `read` finds in each element of an array; nothing if the value is no array or one element does not
/// fit.
template <typename T>
static std::optional<std::vector<T>> arrayIn(const Json &value, std::optional<T> (*read)(const Json &)) {
  if (!value.is_array())
    return std::nullopt;
  std::vector<T> items;
  for (const Json &element : value) {
    std::optional<T> item = read(element);
    if (!item)
      return std::nullopt;
    items.push_back(*std::move(item));
  }
  return items;
}

absl::StatusOr<int64_t> Object::positive(absl::string_view field) const {
  if (const Json *value = find(field))
    if (std::optional<int64_t> content = integerIn(*value); content && *content > 0)
      return *content;
  return wrong(field, "a positive integer");
}

absl::StatusOr<int64_t> Object::integer(absl::string_view field) const {
  if (const Json *value = find(field))
    if (std::optional<int64_t> content = integerIn(*value))
      return *content;
  return wrong(field, "an integer");
}

absl::StatusOr<double> Object::number(absl::string_view field) const {
  if (const Json *value = find(field))
    if (std::optional<double> content = numberIn(*value))
      return *content;
  return wrong(field, "a number");
}

absl::StatusOr<bool> Object::boolean(absl::string_view field) const {
  if (const Json *value = find(field); value && value->is_boolean())
    return value->get<bool>();
  return wrong(field, "true or false");
}

absl::StatusOr<std::string> Object::string(absl::string_view field) const {
  if (const Json *value = find(field))
    if (std::optional<std::string> content = stringIn(*value))
      return *std::move(content);
  return wrong(field, "a string");
}

absl::StatusOr<Object> Object::object(absl::string_view field) const {
  if (const Json *value = find(field); value && value->is_object())
    return Object(fileName, absl::StrCat(prefix, field, "."), root, value);
  return wrong(field, "an object");
}

absl::StatusOr<std::vector<int64_t>> Object::integers(absl::string_view field) const {
  if (const Json *value = find(field))
    if (auto content = arrayIn<int64_t>(*value, integerIn))
      return *std::move(content);
  return wrong(field, "an array of integers");
}

absl::StatusOr<std::vector<double>> Object::numbers(absl::string_view field) const {
  if (const Json *value = find(field))
    if (auto content = arrayIn<double>(*value, numberIn))
      return *std::move(content);
  return wrong(field, "an array of numbers");
}

absl::StatusOr<std::vector<std::string>> Object::strings(absl::string_view field) const {
  if (const Json *value = find(field))
    if (auto content = arrayIn<std::string>(*value, stringIn))
      return *std::move(content);
  return wrong(field, "an array of strings");
}

absl::StatusOr<std::vector<Object>> Object::objects(absl::string_view field) const {
  const Json *value = find(field);
  if (!value || !value->is_array())
    return wrong(field, "an array of objects");
  std::vector<Object> items;
  for (const Json &element : *value) {
    if (!element.is_object())
      return wrong(field, "an array of objects");
    items.push_back(Object(fileName, absl::StrCat(prefix, field, "[", items.size(), "]."), root, &element));
  }
  return items;
}

absl::StatusOr<int64_t> Object::positiveOr(absl::string_view field, int64_t missing) const {
  return has(field) ? positive(field) : missing;
}

absl::StatusOr<int64_t> Object::integerOr(absl::string_view field, int64_t missing) const {
  return has(field) ? integer(field) : missing;
}

absl::StatusOr<double> Object::numberOr(absl::string_view field, double missing) const {
  return has(field) ? number(field) : missing;
}

absl::StatusOr<bool> Object::booleanOr(absl::string_view field, bool missing) const {
  return has(field) ? boolean(field) : missing;
}

absl::StatusOr<std::string> Object::stringOr(absl::string_view field, absl::string_view missing) const {
  return has(field) ? string(field) : std::string(missing);
}

} // namespace llmc::json
