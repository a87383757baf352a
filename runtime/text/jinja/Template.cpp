//===- Template.cpp - Jinja templates -------------------------------------===//

#include "runtime/text/jinja/Template.h"

#include "absl/strings/str_cat.h"

#include "runtime/text/Unicode.h"
#include "runtime/text/jinja/Evaluator.h"
#include "runtime/text/jinja/Parser.h"

namespace llmc::text::jinja {

namespace {

constexpr size_t kMaxSourceBytes = 4 << 20;
constexpr int kMaxInputDepth = 64;

/// A value from JSON; nothing if it nests too deeply, or holds a number or a string that a template cannot.
std::optional<Value> valueOf(const nlohmann::ordered_json &json, int depth = 0) {
  using Type = nlohmann::ordered_json::value_t;
  if (depth > kMaxInputDepth)
    return std::nullopt;
  switch (json.type()) {
  case Type::null:
    return Value(Value::None());
  case Type::boolean:
    return Value(json.get<bool>());
  case Type::number_integer:
    return Value(json.get<int64_t>());
  case Type::number_unsigned:
    return json.get<uint64_t>() > INT64_MAX ? std::nullopt : std::optional<Value>(json.get<int64_t>());
  case Type::number_float:
    return Value(json.get<double>());
  case Type::string: {
    const auto &text = json.get_ref<const std::string &>();
    return Value(isValidUtf8(text) ? text : replaceInvalidUtf8(text));
  }
  case Type::array: {
    std::vector<Value> items;
    for (const auto &element : json) {
      std::optional<Value> item = valueOf(element, depth + 1);
      if (!item)
        return std::nullopt;
      items.push_back(*std::move(item));
    }
    return Value::list(std::move(items));
  }
  case Type::object: {
    Dict dict;
    for (const auto &[key, element] : json.items()) {
      std::optional<Value> value = valueOf(element, depth + 1);
      if (!value || !isValidUtf8(key))
        return std::nullopt;
      dict.set(Value(key), *std::move(value));
    }
    return Value(std::move(dict));
  }
  default:
    return std::nullopt;
  }
}

} // namespace

struct Template::Parsed {
  Body body;
};

absl::StatusOr<Template> Template::parse(absl::string_view source) {
  if (source.size() > kMaxSourceBytes)
    return absl::InvalidArgumentError(absl::StrCat("the template has ", source.size(), " bytes; at most ",
                                                   kMaxSourceBytes, " are supported"));
  if (!isValidUtf8(source))
    return absl::InvalidArgumentError("the template is not UTF-8");
  absl::StatusOr<Body> body = jinja::parse(source);
  if (!body.ok())
    return body.status();
  auto parsed = std::make_shared<Parsed>();
  parsed->body = *std::move(body);
  return Template(std::move(parsed));
}

absl::StatusOr<std::string> Template::render(const nlohmann::ordered_json &variables,
                                             std::optional<absl::Time> now) const {
  std::optional<Value> value = valueOf(variables);
  if (!value || !value->dict())
    return absl::InvalidArgumentError(
        absl::StrCat("the variables of a template must be an object of strings, numbers "
                     "within 64 bits, lists and objects, at most ",
                     kMaxInputDepth, " levels deep"));
  Evaluator evaluator(Limits(), now);
  return evaluator.render(parsed->body, *value->dict());
}

} // namespace llmc::text::jinja
