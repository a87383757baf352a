#include "runtime/grammar/JsonSchema.h"

#include "Accepts.h"

using namespace llmc::grammar;
using namespace llmc::grammar::test;

namespace {

std::string grammarOf(const char *schema) {
  absl::StatusOr<std::string> grammar = grammarOfSchema(schema);
  return grammar.ok() ? *grammar : std::string(grammar.status().message());
}

struct Case {
  const char *schema;
  std::vector<const char *> accepted, refused;
};

TEST(JsonSchemaTest, GrammarsAcceptWhatSchemasDo) {
  const Case cases[] = {
      {R"({})",
       {"1", "null", "[1, {\"a\": [true]}]", "\"\\n\\u00e9\"", "-0.5e+10"},
       {"", "nul", "01", "[1,]", "{1: 2}"}},
      {R"({"type": "integer"})", {"0", "-12"}, {"1.5", "+1", "007", "\"1\""}},
      {R"({"type": ["string", "null"]})", {"\"a\"", "null"}, {"1"}},
      {R"({"type": "string", "minLength": 2, "maxLength": 3})",
       {"\"ab\"", "\"\xC3\xA9\\n\\\\\""},
       {"\"a\"", "\"abcd\"", "\"\\ud800b\""}},
      {R"({"enum": ["red", 1, null, "a\"b\\c"]})",
       {"\"red\"", "1", "null", "\"a\\\"b\\\\c\""},
       {"\"blue\"", "2"}},
      {R"({"type": "string", "enum": ["red", 1]})", {"\"red\""}, {"1"}},
      {R"({"const": {"a": [1, true]}})", {"{\"a\":[1,true]}"}, {"{}"}},
      {R"({"type": "array", "items": {"type": "boolean"}, "minItems": 1, "maxItems": 2})",
       {"[true]", "[ true, false ]"},
       {"[]", "[true,true,true]", "[1]"}},
      {R"({"type": "array", "maxItems": 0})", {"[]", "[ ]"}, {"[1]"}},
      {R"({"type": "array", "maxItems": 1})", {"[]", "[null]"}, {"[1,2]"}},
      {R"({"properties": {"b": {"type": "integer"}, "a": {"type": "null"}, "c": {"type": "null"}}, "required": ["a"]})",
       {"{\"b\": 1, \"a\": null}", "{\"a\":null}", "{\"a\":null,\"c\":null}",
        "{\"b\":1,\n  \"a\":null,\"c\":null\n}"},
       {"{}", "{\"b\":1}", "{\"a\":null,\"b\":1}", "{\"a\":null,\"d\":1}", "{\"a\":null,}", "{,\"a\":null}"}},
      {R"({"type": "object", "properties": {"a": {}}, "additionalProperties": false})",
       {"{}", "{\"a\":[]}"},
       {"{\"b\":1}"}},
      {R"({"type": "object"})", {"{}", "{\"x\": {\"y\": 1}}"}, {"[]"}},
      {R"({"properties": {"ab": {"type": "null"}}, "additionalProperties": {"type": "integer"}})",
       {"{}", "{\"ab\":null}", "{\"ab\":null,\"abc\":1}", "{\"a\":1,\"\":2}", "{\"b\":1}"},
       {"{\"ab\":1}", "{\"ab\":null,\"ab\":1}", "{\"c\":null}", "{\"\\u0061b\":1}"}},
      {R"({"properties": {"a\"": {}, "b\\": {}, "c\n": {}}, "additionalProperties": {"type": "integer"}})",
       {"{\"a\\\"\":null,\"b\\\\\":null,\"c\\n\":null}", "{\"a\":1,\"b\":2,\"cd\":3}"},
       {"{\"a\"\":1}", "{\"a\":null}", "{\"a\"\"\":1}", "{\"b\\\":1}", "{\"c\n\":1}"}},
      {R"({"additionalProperties": {"type": "integer"}, "required": ["n"]})",
       {"{\"n\":1}", "{\"n\":1,\"m\":2}"},
       {"{}", "{\"m\":2}"}},
      {R"({"anyOf": [{"type": "null"}, {"type": "integer"}], "title": "x", "default": null})",
       {"null", "3"},
       {"true"}},
      {R"({"oneOf": [{"const": 1}, {"const": 2}]})", {"1", "2"}, {"3"}},
      {R"({"$defs": {"tree": {"properties": {"left": {"$ref": "#/$defs/tree"}, "name": {"type": "string"}}}},
           "type": "array", "items": {"$ref": "#/$defs/tree"}})",
       {"[{\"left\":{\"left\":{},\"name\":\"x\"}}]", "[]"},
       {"[{\"right\":{}}]", "{}"}},
      {R"({"properties": {"child": {"$ref": "#"}}})", {"{\"child\":{\"child\":{}}}"}, {"{\"child\":1}"}},
  };
  for (const Case &each : cases) {
    Automaton automaton = automatonOf(grammarOf(each.schema));
    for (const char *text : each.accepted)
      EXPECT_TRUE(accepts(automaton, text)) << each.schema << ": " << text;
    for (const char *text : each.refused)
      EXPECT_FALSE(accepts(automaton, text)) << each.schema << ": " << text;
  }
}

TEST(JsonSchemaTest, HasLittleRoomForWhiteSpace) {
  Automaton automaton = automatonOf(grammarOf(R"({"type": "array"})"));
  EXPECT_TRUE(accepts(automaton, "[\n    1, 2\n]"));
  EXPECT_FALSE(accepts(automaton, "[\n\n1]"));
  EXPECT_FALSE(accepts(automaton, "[  1]"));
  EXPECT_FALSE(accepts(automaton, " [1]"));
}

TEST(JsonSchemaTest, RefusesByPlace) {
  EXPECT_EQ(grammarOf("{"), "is not valid JSON");
  EXPECT_EQ(grammarOf((std::string(100, '[') + std::string(100, ']')).c_str()), "lies more than 64 deep");
  EXPECT_EQ(grammarOf("false"), "the schema: is 'false', expected an object or true");
  EXPECT_EQ(grammarOf(R"({"type": "integer", "minimum": 0})"),
            "the schema: has 'minimum', which is not supported here");
  EXPECT_EQ(grammarOf(R"({"properties": {"a": {"items": {"format": "date"}}}})"),
            "/properties/a/items: has 'format', which is not supported here");
  EXPECT_EQ(grammarOf(R"({"anyOf": [{}], "type": "object"})"),
            "the schema: has 'type', which is not supported here");
  EXPECT_EQ(grammarOf(R"({"allOf": []})"), "the schema: has 'allOf', which is not supported here");
  EXPECT_EQ(grammarOf(R"({"anyOf": []})"), "/anyOf: is '[]', expected an array of schemas");
  EXPECT_EQ(grammarOf(R"({"type": "text"})"),
            "/type: is '\"text\"', expected one of string, integer, number, boolean, object, array, null");
  EXPECT_EQ(grammarOf(R"({"type": ["array", "null", "array"]})"),
            "/type: has '\"array\"' more than once, expected each type once");
  EXPECT_EQ(grammarOf(R"({"$ref": "other.json"})"),
            "the schema: $ref is '\"other.json\"', expected a place in this schema, such as '#/$defs/name'");
  EXPECT_EQ(grammarOf(R"({"$ref": "#/$defs/x"})"), "the schema: $ref names '#/$defs/x', which is not there");
  EXPECT_EQ(grammarOf(R"({"minItems": 3, "maxItems": 2})"), "/maxItems: is below minItems");
  EXPECT_EQ(grammarOf(R"({"minLength": -1})"), "/minLength: is '-1', expected a number from 0 to 100000");
  EXPECT_EQ(grammarOf(R"({"type": "null", "enum": [1]})"),
            "the schema: no value is among those that it lists and of its type");
  EXPECT_EQ(grammarOf(R"({"required": ["a"], "additionalProperties": false})"),
            "/required: names 'a', which is no property");
  EXPECT_EQ(grammarOf(R"({"required": 1})"), "/required: is '1', expected an array of names");
  EXPECT_EQ(grammarOf(R"({"properties": []})"), "/properties: is '[]', expected an object");
}

TEST(JsonSchemaTest, NamesThatOthersMustNotHaveAreShort) {
  const auto schemaOf = [](int length, const char *others) {
    return R"({"properties": {")" + std::string(length, 'x') + R"(": {}}, "additionalProperties": )" +
           others + "}";
  };
  Automaton automaton = automatonOf(grammarOf(schemaOf(200, "true").c_str()));
  EXPECT_TRUE(accepts(automaton, "{\"" + std::string(199, 'x') + "\":1}"));
  EXPECT_EQ(grammarOf(schemaOf(201, "true").c_str()),
            "the schema: has the property '" + std::string(100, 'x') +
                "...' (201 bytes), expected a name of at most 200 bytes where others are allowed");
  automaton = automatonOf(grammarOf(schemaOf(100'000, "false").c_str()));
  EXPECT_TRUE(accepts(automaton, "{\"" + std::string(100'000, 'x') + "\":1}"));
}

TEST(JsonSchemaTest, RefusesTooManyRules) {
  std::string schemas;
  for (int i = 0; i < 10'002; ++i)
    schemas += std::string(i == 0 ? "" : ",") + R"({"items": true})";
  EXPECT_EQ(grammarOf((R"({"anyOf": [)" + schemas + "]}").c_str()),
            "/anyOf/10001: the schema takes more than 10000 rules of a grammar");
}

} // namespace
