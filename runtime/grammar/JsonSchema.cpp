#include "runtime/grammar/JsonSchema.h"

#include "runtime/grammar/GbnfText.h"
#include "runtime/io/Message.h"

#include "absl/algorithm/container.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"

#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

namespace llmc::grammar {

namespace {

using Json = nlohmann::ordered_json;

constexpr int kDeepestSchema = 64;
constexpr int64_t kMostElements = 100'000;
constexpr size_t kMostRules = 10'000;
/// Of names that other properties must not have: each of their characters is a group of the grammar.
constexpr size_t kLongestExcluded = 200;

/// What needs no schema. `space` is where JSON may have white space: little of it, so that no text consists
/// of it. Escaped surrogates are left out, as halves of pairs may stand alone; exponents are those of a
/// double.
constexpr absl::string_view kValues = R"GBNF(
space ::= | " " | "\n" [ \t]{0,20}
digits ::= "0" | [1-9] [0-9]{0,15}
null ::= "null"
boolean ::= "true" | "false"
integer ::= "-"? digits
number ::= "-"? digits ("." [0-9]{1,16})? ([eE] [-+]? [0-9]{1,2})?
hex ::= [0-9a-fA-F]
character ::= [^"\\\x00-\x1F\x7F] | "\\" (["\\/bfnrt] | "u" ([0-9a-cA-CefEF] hex | [dD] [0-7]) hex hex)
string ::= "\"" character* "\""
member ::= string ":" space value
object ::= "{" space (member ("," space member)* space)? "}"
array ::= "[" space (value ("," space value)* space)? "]"
value ::= null | boolean | number | string | object | array
)GBNF";

constexpr std::array<absl::string_view, 12> kAnnotations = {
    "$schema",     "$id",     "$comment", "$defs",      "definitions", "title",
    "description", "default", "examples", "deprecated", "readOnly",    "writeOnly"};

/// The JSON of a value.
std::string dump(const Json &value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

class Writer {
public:
  explicit Writer(const Json &root) : root(root) {}

  absl::StatusOr<std::string> write() {
    absl::StatusOr<std::string> body = expressionOf(root, "", 0);
    if (!body.ok())
      return body.status();
    // References are found on the way.
    for (size_t i = 0; i < referenced.size(); ++i) {
      absl::StatusOr<const Json *> schema = resolve(referenced[i]);
      absl::StatusOr<std::string> target =
          schema.ok() ? expressionOf(**schema, referenced[i].substr(1), 0) : schema.status();
      if (!target.ok())
        return target.status();
      addRule(absl::StrCat("ref-", i), *target);
    }
    return absl::StrCat("root ::= ", *body, "\n", rules, kValues);
  }

private:
  static absl::Status refuse(const std::string &place, absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat(place.empty() ? "the schema" : place, ": ", what));
  }

  static std::string textOf(const Json &value) { return io::quote(dump(value)); }

  void addRule(const std::string &name, absl::string_view body) {
    absl::StrAppend(&rules, name, " ::= ", body, "\n");
    ++ruleCount;
  }

  /// What `schema`, which is at `place`, accepts.
  absl::StatusOr<std::string> expressionOf(const Json &schema, const std::string &place, int depth) {
    if (depth > kDeepestSchema)
      return refuse(place, absl::StrCat("lies more than ", kDeepestSchema, " deep"));
    if (ruleCount > kMostRules)
      return refuse(place, absl::StrCat("the schema takes more than ", kMostRules, " rules of a grammar"));
    if (schema == true)
      return "value";
    if (!schema.is_object())
      return refuse(place, absl::StrCat("is ", textOf(schema), ", expected an object or true"));
    for (const char *choice : {"anyOf", "oneOf"})
      if (schema.contains(choice)) {
        if (absl::Status status = checkKeywords(schema, place, {choice}); !status.ok())
          return status;
        return choiceOf(schema[choice], absl::StrCat(place, "/", choice), depth);
      }
    if (schema.contains("$ref")) {
      if (absl::Status status = checkKeywords(schema, place, {"$ref"}); !status.ok())
        return status;
      return referenceTo(schema["$ref"], place);
    }
    if (schema.contains("enum") || schema.contains("const")) {
      if (absl::Status status = checkKeywords(schema, place, {"enum", "const", "type"}); !status.ok())
        return status;
      return literalOf(schema, place);
    }
    absl::StatusOr<std::vector<std::string>> types = typesOf(schema, place);
    if (!types.ok())
      return types.status();
    std::vector<absl::string_view> known = {"type"};
    std::vector<std::string> choices;
    for (const std::string &type : *types) {
      absl::StatusOr<std::string> expression = type == "object"   ? objectOf(schema, place, depth, known)
                                               : type == "array"  ? arrayOf(schema, place, depth, known)
                                               : type == "string" ? stringOf(schema, place, known)
                                                                  : type;
      if (!expression.ok())
        return expression;
      choices.push_back(*std::move(expression));
    }
    if (absl::Status status = checkKeywords(schema, place, known); !status.ok())
      return status;
    return joined(choices);
  }

  static std::string joined(const std::vector<std::string> &choices) {
    return choices.size() == 1 ? choices.front() : absl::StrCat("(", absl::StrJoin(choices, " | "), ")");
  }

  static absl::Status checkKeywords(const Json &schema, const std::string &place,
                                    absl::Span<const absl::string_view> known) {
    for (const auto &[keyword, value] : schema.items())
      if (!absl::c_linear_search(known, keyword) && !absl::c_linear_search(kAnnotations, keyword))
        return refuse(place, absl::StrCat("has ", io::quote(keyword), ", which is not supported here"));
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> choiceOf(const Json &schemas, const std::string &place, int depth) {
    if (!schemas.is_array() || schemas.empty())
      return refuse(place, absl::StrCat("is ", textOf(schemas), ", expected an array of schemas"));
    std::vector<std::string> choices;
    for (size_t i = 0; i < schemas.size(); ++i) {
      absl::StatusOr<std::string> choice = expressionOf(schemas[i], absl::StrCat(place, "/", i), depth + 1);
      if (!choice.ok())
        return choice;
      choices.push_back(*std::move(choice));
    }
    return joined(choices);
  }

  absl::StatusOr<std::string> referenceTo(const Json &reference, const std::string &place) {
    const std::string target = reference.is_string() ? reference.get<std::string>() : "";
    if (target.empty() || target[0] != '#' || (target.size() > 1 && target[1] != '/'))
      return refuse(place, absl::StrCat("$ref is ", textOf(reference),
                                        ", expected a place in this schema, such as '#/$defs/name'"));
    const auto found = absl::c_find(referenced, target);
    const auto number = found - referenced.begin();
    if (found == referenced.end())
      referenced.push_back(target);
    return absl::StrCat("ref-", number);
  }

  /// The value at "#/a/b" (RFC 6901).
  absl::StatusOr<const Json *> resolve(const std::string &reference) const {
    const Json *value = &root;
    const std::vector<absl::string_view> parts = absl::StrSplit(reference, '/');
    for (size_t i = 1; i < parts.size(); ++i) {
      const std::string key = absl::StrReplaceAll(parts[i], {{"~1", "/"}, {"~0", "~"}});
      size_t index = 0;
      if (value->is_object() && value->contains(key))
        value = &(*value)[key];
      else if (value->is_array() && absl::SimpleAtoi(key, &index) && index < value->size())
        value = &(*value)[index];
      else
        return refuse("", absl::StrCat("$ref names ", io::quote(reference), ", which is not there"));
    }
    return value;
  }

  static bool isOfType(const Json &value, absl::string_view type) {
    return type == "string"    ? value.is_string()
           : type == "integer" ? value.is_number_integer()
           : type == "number"  ? value.is_number()
           : type == "boolean" ? value.is_boolean()
           : type == "object"  ? value.is_object()
           : type == "array"   ? value.is_array()
                               : value.is_null();
  }

  absl::StatusOr<std::string> literalOf(const Json &schema, const std::string &place) {
    if (schema.contains("enum") && !schema["enum"].is_array())
      return refuse(absl::StrCat(place, "/enum"),
                    absl::StrCat("is ", textOf(schema["enum"]), ", expected an array"));
    const Json values = schema.contains("enum") ? schema["enum"] : Json::array({schema["const"]});
    absl::StatusOr<std::vector<std::string>> types = typesOf(schema, place);
    if (!types.ok())
      return types.status();
    std::vector<std::string> choices;
    for (const Json &value : values) {
      const bool isType = absl::c_any_of(
          *types, [&](const std::string &type) { return type == "value" || isOfType(value, type); });
      if (isType && (!schema.contains("const") || value == schema["const"]))
        choices.push_back(literal(dump(value)));
    }
    if (choices.empty())
      return refuse(place, "no value is among those that it lists and of its type");
    return joined(choices);
  }

  /// The types of a schema: those that it names, or what its keywords are about, or "value" for any.
  absl::StatusOr<std::vector<std::string>> typesOf(const Json &schema, const std::string &place) const {
    constexpr std::array<absl::string_view, 7> kTypes = {"string", "integer", "number", "boolean",
                                                         "object", "array",   "null"};
    std::vector<std::string> types;
    if (schema.contains("type")) {
      const Json &named = schema["type"];
      for (const Json &type : named.is_array() ? named : Json::array({named})) {
        if (!type.is_string() || !absl::c_linear_search(kTypes, type.get<std::string>()))
          return refuse(absl::StrCat(place, "/type"),
                        absl::StrCat("is ", textOf(type), ", expected one of ", absl::StrJoin(kTypes, ", ")));
        if (absl::c_linear_search(types, type.get<std::string>()))
          return refuse(absl::StrCat(place, "/type"),
                        absl::StrCat("has ", textOf(type), " more than once, expected each type once"));
        types.push_back(type.get<std::string>());
      }
      if (types.empty())
        return refuse(absl::StrCat(place, "/type"), "is empty, expected a type");
      return types;
    }
    const std::pair<const char *, const char *> kAbout[] = {
        {"properties", "object"}, {"required", "object"}, {"additionalProperties", "object"},
        {"items", "array"},       {"minItems", "array"},  {"maxItems", "array"},
        {"minLength", "string"},  {"maxLength", "string"}};
    for (const auto &[keyword, type] : kAbout)
      if (schema.contains(keyword) && !absl::c_linear_search(types, type))
        types.push_back(type);
    if (types.empty())
      types.push_back("value");
    return types;
  }

  /// "{least,most}" of two keywords; `most` may be absent.
  absl::StatusOr<std::pair<int64_t, std::optional<int64_t>>>
  boundsOf(const Json &schema, const std::string &place, const char *leastKeyword, const char *mostKeyword) {
    std::pair<int64_t, std::optional<int64_t>> bounds = {0, std::nullopt};
    for (const char *keyword : {leastKeyword, mostKeyword}) {
      if (!schema.contains(keyword))
        continue;
      const Json &value = schema[keyword];
      if (!value.is_number_unsigned() || value.get<uint64_t>() > kMostElements)
        return refuse(absl::StrCat(place, "/", keyword),
                      absl::StrCat("is ", textOf(value), ", expected a number from 0 to ", kMostElements));
      if (keyword == leastKeyword)
        bounds.first = value.get<int64_t>();
      else
        bounds.second = value.get<int64_t>();
    }
    if (bounds.second && *bounds.second < bounds.first)
      return refuse(absl::StrCat(place, "/", mostKeyword), absl::StrCat("is below ", leastKeyword));
    return bounds;
  }

  static std::string repetition(int64_t least, std::optional<int64_t> most) {
    return most ? absl::StrCat("{", least, ",", *most, "}") : absl::StrCat("{", least, ",}");
  }

  absl::StatusOr<std::string> stringOf(const Json &schema, const std::string &place,
                                       std::vector<absl::string_view> &known) {
    known.insert(known.end(), {"minLength", "maxLength"});
    const auto bounds = boundsOf(schema, place, "minLength", "maxLength");
    if (!bounds.ok())
      return bounds.status();
    if (bounds->first == 0 && !bounds->second)
      return "string";
    return absl::StrCat("\"\\\"\" character", repetition(bounds->first, bounds->second), " \"\\\"\"");
  }

  absl::StatusOr<std::string> arrayOf(const Json &schema, const std::string &place, int depth,
                                      std::vector<absl::string_view> &known) {
    known.insert(known.end(), {"items", "minItems", "maxItems"});
    const auto bounds = boundsOf(schema, place, "minItems", "maxItems");
    if (!bounds.ok())
      return bounds.status();
    absl::StatusOr<std::string> item =
        schema.contains("items") ? expressionOf(schema["items"], absl::StrCat(place, "/items"), depth + 1)
                                 : "value";
    if (!item.ok())
      return item;
    if (bounds->second == 0)
      return "\"[\" space \"]\"";
    const std::string rule = absl::StrCat("item-", nextNumber++);
    addRule(rule, *item);
    const auto [least, most] = *bounds;
    const std::string more = absl::StrCat(
        "(\",\" space ", rule, ")",
        repetition(std::max<int64_t>(least - 1, 0), most ? std::optional(*most - 1) : std::nullopt));
    return absl::StrCat("\"[\" space (", rule, " ", more, " space)", least == 0 ? "?" : "", " \"]\"");
  }

  absl::StatusOr<std::string> objectOf(const Json &schema, const std::string &place, int depth,
                                       std::vector<absl::string_view> &known) {
    known.insert(known.end(), {"properties", "required", "additionalProperties"});
    const Json none = Json::object();
    const Json &properties = schema.contains("properties") ? schema["properties"] : none;
    if (!properties.is_object())
      return refuse(absl::StrCat(place, "/properties"),
                    absl::StrCat("is ", textOf(properties), ", expected an object"));
    std::vector<std::string> required;
    if (schema.contains("required")) {
      const Json &names = schema["required"];
      if (!names.is_array() || !absl::c_all_of(names, [](const Json &name) { return name.is_string(); }))
        return refuse(absl::StrCat(place, "/required"),
                      absl::StrCat("is ", textOf(names), ", expected an array of names"));
      required = names.get<std::vector<std::string>>();
    }
    const bool isOpen = schema.contains("additionalProperties") ? schema["additionalProperties"] != false
                                                                : properties.empty();
    absl::StatusOr<std::string> additional = "value";
    if (isOpen && schema.contains("additionalProperties"))
      additional = expressionOf(schema["additionalProperties"], absl::StrCat(place, "/additionalProperties"),
                                depth + 1);
    if (!additional.ok())
      return additional;

    std::vector<std::pair<std::string, bool>> members; // rules, and whether they must be there
    OtherStrings otherNames;
    const auto addMember = [&](const std::string &name, absl::string_view value, bool isRequired) {
      if (isOpen && name.size() > kLongestExcluded)
        return refuse(place,
                      absl::StrCat("has the property ", io::quote(name), ", expected a name of at most ",
                                   kLongestExcluded, " bytes where others are allowed"));
      const std::string rule = absl::StrCat("property-", nextNumber++);
      addRule(rule, absl::StrCat(literal(dump(name)), " \":\" space ", value));
      members.push_back({rule, isRequired});
      if (isOpen)
        otherNames.exclude(name);
      return absl::OkStatus();
    };
    for (const auto &[name, property] : properties.items()) {
      absl::StatusOr<std::string> value =
          expressionOf(property, absl::StrCat(place, "/properties/", name), depth + 1);
      if (!value.ok())
        return value;
      if (absl::Status status = addMember(name, *value, absl::c_linear_search(required, name)); !status.ok())
        return status;
    }
    for (const std::string &name : required) {
      if (properties.contains(name))
        continue;
      if (!isOpen)
        return refuse(absl::StrCat(place, "/required"),
                      absl::StrCat("names ", io::quote(name), ", which is no property"));
      if (absl::Status status = addMember(name, *additional, /*isRequired=*/true); !status.ok())
        return status;
    }
    std::string other;
    if (isOpen) {
      other = absl::StrCat("other-", nextNumber++);
      addRule(other, absl::StrCat("\"\\\"\" ", otherNames.expression(), " \":\" space ", *additional));
    }
    return absl::StrCat("\"{\" space ", membersOf(members, other), " \"}\"");
  }

  /// The members of an object and the space behind them: those of `members`, and any number of `other`, a
  /// rule, unless it is empty. Each way to go on is a rule, once for the first member and once for later
  /// ones.
  std::string membersOf(const std::vector<std::pair<std::string, bool>> &members, const std::string &other) {
    std::string first = "()", later = "space";
    if (!other.empty()) {
      later = absl::StrCat("(\",\" space ", other, ")* space");
      first = absl::StrCat("(", other, " ", later, ")?");
    }
    for (size_t i = members.size(); i-- > 0;) {
      const auto &[member, isRequired] = members[i];
      const std::string rest = absl::StrCat("members-", nextNumber++);
      addRule(rest, later);
      const std::string skipped = absl::StrCat(" | ", first);
      first = absl::StrCat("(", member, " ", rest, isRequired ? "" : skipped, ")");
      later = absl::StrCat("\",\" space ", member, " ", rest, isRequired ? "" : absl::StrCat(" | ", rest));
      if (!isRequired) {
        // Grows with the number of properties that may be left out, unless it has a name.
        const std::string rule = absl::StrCat("members-", nextNumber++);
        addRule(rule, first);
        first = rule;
      }
    }
    return first;
  }

  const Json &root;
  std::string rules;
  size_t ruleCount = 0;
  std::vector<std::string> referenced; ///< by number of the rule
  size_t nextNumber = 0;
};

} // namespace

absl::StatusOr<std::string> grammarOfSchema(absl::string_view schema) {
  // Values are printed in messages, which recurses.
  bool isTooDeep = false;
  const Json root = Json::parse(
      schema,
      [&](int depth, Json::parse_event_t, Json &) {
        isTooDeep |= depth > kDeepestSchema;
        return !isTooDeep;
      },
      /*allow_exceptions=*/false);
  if (isTooDeep)
    return absl::InvalidArgumentError(absl::StrCat("lies more than ", kDeepestSchema, " deep"));
  if (root.is_discarded())
    return absl::InvalidArgumentError("is not valid JSON");
  return Writer(root).write();
}

} // namespace llmc::grammar
