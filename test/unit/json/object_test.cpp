#include "frontend/json/Object.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace llmc::json {
namespace {

using ::testing::ElementsAre;

Object objectOf(const char *text) {
  absl::StatusOr<Object> object = Object::make("config.json", nlohmann::json::parse(text));
  EXPECT_TRUE(object.ok()) << object.status();
  return *object;
}

template <typename T> std::string errorOf(const absl::StatusOr<T> &result) {
  return result.ok() ? "no error" : std::string(result.status().message());
}

TEST(JsonObjectTest, ReadsEachType) {
  Object object = objectOf(R"({"n": 9, "m": -2, "x": 1e-5, "b": true, "s": "silu", "i": [1, 2], "d": [1, 0.5],
                               "t": ["a"], "o": {"p": {"q": 4}}, "l": [{"a": 1}, {"a": 2}]})");
  EXPECT_EQ(*object.positive("n"), 9);
  EXPECT_EQ(*object.integer("m"), -2);
  EXPECT_EQ(*object.number("x"), 1e-5);
  EXPECT_EQ(*object.number("n"), 9.0);
  EXPECT_EQ(*object.boolean("b"), true);
  EXPECT_EQ(*object.string("s"), "silu");
  EXPECT_THAT(*object.integers("i"), ElementsAre(1, 2));
  EXPECT_THAT(*object.numbers("d"), ElementsAre(1.0, 0.5));
  EXPECT_THAT(*object.strings("t"), ElementsAre("a"));
  EXPECT_EQ(*object.object("o")->object("p")->positive("q"), 4);
  EXPECT_EQ(*object.objects("l")->at(1).positive("a"), 2);
}

TEST(JsonObjectTest, NestedObjectsKeepTheFileAlive) {
  absl::StatusOr<Object> nested = objectOf(R"({"o": {"s": "text"}})").object("o");
  ASSERT_TRUE(nested.ok());
  EXPECT_EQ(*nested->string("s"), "text");
}

TEST(JsonObjectTest, WrongFieldsAreNamedWithWhatWasFound) {
  Object object =
      objectOf(R"({"n": "nine", "z": 0, "f": 8.0, "big": 18446744073709551615, "i": [1, "x"], "s": 1,
                               "o": {"p": {"q": []}}, "l": [{"a": []}]})");
  EXPECT_EQ(errorOf(object.positive("n")),
            "config.json: field 'n': expected a positive integer, found string 'nine'");
  EXPECT_EQ(errorOf(object.positive("z")),
            "config.json: field 'z': expected a positive integer, found number 0");
  EXPECT_EQ(errorOf(object.integer("f")), "config.json: field 'f': expected an integer, found number 8.0");
  EXPECT_EQ(errorOf(object.integer("big")),
            "config.json: field 'big': expected an integer, found number 18446744073709551615");
  EXPECT_EQ(errorOf(object.boolean("s")), "config.json: field 's': expected true or false, found number 1");
  EXPECT_EQ(errorOf(object.string("s")), "config.json: field 's': expected a string, found number 1");
  EXPECT_EQ(errorOf(object.object("s")), "config.json: field 's': expected an object, found number 1");
  EXPECT_EQ(errorOf(object.integers("i")),
            "config.json: field 'i': expected an array of integers, found array of 2 values");
  EXPECT_EQ(errorOf(object.objects("i")),
            "config.json: field 'i': expected an array of objects, found array of 2 values");
  EXPECT_EQ(errorOf(object.object("o")->object("p")->number("q")),
            "config.json: field 'o.p.q': expected a number, found array of 0 values");
  EXPECT_EQ(errorOf(object.objects("l")->at(0).number("a")),
            "config.json: field 'l[0].a': expected a number, found array of 0 values");
  EXPECT_TRUE(absl::IsInvalidArgument(object.string("s").status()));
}

TEST(JsonObjectTest, MissingAndNullAreTheSame) {
  Object object = objectOf(R"({"n": null})");
  for (const char *field : {"n", "m"}) {
    EXPECT_FALSE(object.has(field));
    EXPECT_EQ(errorOf(object.positive(field)),
              std::string("config.json: field '") + field + "' is missing, expected a positive integer");
    EXPECT_TRUE(absl::IsNotFound(object.positive(field).status()));
    EXPECT_EQ(*object.positiveOr(field, 3), 3);
    EXPECT_EQ(*object.integerOr(field, -3), -3);
    EXPECT_EQ(*object.numberOr(field, 0.5), 0.5);
    EXPECT_EQ(*object.booleanOr(field, true), true);
    EXPECT_EQ(*object.stringOr(field, "x"), "x");
  }
}

TEST(JsonObjectTest, DefaultsDoNotHideWrongFields) {
  Object object = objectOf(R"({"n": "nine"})");
  EXPECT_FALSE(object.positiveOr("n", 3).ok());
  EXPECT_FALSE(object.numberOr("n", 3).ok());
  EXPECT_FALSE(object.booleanOr("n", true).ok());
  EXPECT_EQ(*object.stringOr("n", "x"), "nine");
}

TEST(JsonObjectTest, OnlyObjectsAreObjects) {
  EXPECT_EQ(errorOf(Object::make("a.json", nlohmann::json::parse("[1]"))),
            "a.json: expected an object, found array of 1 value");
}

TEST(JsonObjectTest, CallersReportTheirOwnExpectations) {
  EXPECT_EQ(objectOf(R"({"heads": 9})").wrong("heads", "a multiple of 'kv_heads' (2)").message(),
            "config.json: field 'heads': expected a multiple of 'kv_heads' (2), found number 9");
}

} // namespace
} // namespace llmc::json
