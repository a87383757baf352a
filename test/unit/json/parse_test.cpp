#include "frontend/json/Parse.h"

#include <filesystem>
#include <fstream>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace llmc::json {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string errorOf(const std::string &text) {
  absl::StatusOr<nlohmann::json> value = parse(text);
  std::string message = value.ok() ? "no error" : std::string(value.status().message());
  EXPECT_THAT(message, Not(HasSubstr("\n")));
  return message;
}

TEST(JsonParseTest, BuildsTheSameValueAsTheLibrary) {
  for (const char *text : {"null", " true ", "-3", "18446744073709551615", "2.5e3", "\"a\\u00e9\\n\"", "[]",
                           "{}", R"({"a":[1,{"b":[[],[2,3]]},"x"],"c":{"d":null},"e":false})"}) {
    absl::StatusOr<nlohmann::json> value = parse(text);
    ASSERT_TRUE(value.ok()) << text << ": " << value.status();
    EXPECT_EQ(*value, nlohmann::json::parse(text)) << text;
  }
}

TEST(JsonParseTest, RefusesRepeatedKeys) {
  EXPECT_EQ(errorOf("{\"a\": 1,\n \"b\": 2, \"a\": 3}"),
            "line 2, column 12: key 'a' appears twice in the same object");
  EXPECT_EQ(errorOf(R"({"a": {"a": 1}, "b": [{"a": 1}, {"a": 2}]})"), "no error");
  EXPECT_THAT(errorOf(R"({"x": {"a": 1, "\u0061": 2}})"), HasSubstr("key 'a' appears twice"));
}

TEST(JsonParseTest, RefusesDeepNesting) {
  auto nested = [](int depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_EQ(errorOf(nested(maxDepth)), "no error");
  EXPECT_EQ(errorOf(nested(maxDepth + 1)),
            "line 1, column 65: arrays and objects are nested more than 64 deep");
  EXPECT_THAT(errorOf(std::string(10000000, '[')), HasSubstr("nested more than 64 deep"));
}

TEST(JsonParseTest, SaysWhereTheTextIsWrong) {
  EXPECT_EQ(errorOf("{\n  \"a\": nine\n}"), "line 2, column 9: is not valid JSON near '\"a\": ni'");
  EXPECT_THAT(errorOf("[1, 2,]"), HasSubstr("line 1, column 7: is not valid JSON near '"));
  EXPECT_THAT(errorOf("[1] x"), HasSubstr("line 1, column 5: is not valid JSON"));
  EXPECT_THAT(errorOf("\"a\nb\""), HasSubstr("is not valid JSON"));
  EXPECT_THAT(errorOf("\"\xff\""), HasSubstr("is not valid JSON near '\"\\xff'"));
  EXPECT_THAT(errorOf("1e999"), HasSubstr("is not valid JSON near '1e999'"));
  for (const char *cut : {"", "{", "{\"a\"", "{\"a\":", "[1,", "\"abc", "tru"})
    EXPECT_THAT(errorOf(cut), HasSubstr("ends in the middle of a value")) << cut;
}

TEST(JsonParseTest, ErrorsOfFilesNameThePath) {
  std::string path = ::testing::TempDir() + "json_parse_test_" + std::to_string(::getpid());
  std::ofstream(path) << "{\"a\": 1}";
  EXPECT_EQ((*parseFile(path))["a"], 1);
  std::ofstream(path) << "{";
  EXPECT_EQ(parseFile(path).status().message(), path + ": line 1, column 1: ends in the middle of a value");
  std::filesystem::remove(path);
  EXPECT_THAT(std::string(parseFile(path).status().message()), HasSubstr(path + ": cannot open"));
}

TEST(JsonParseTest, Descriptions) {
  EXPECT_EQ(describe(nullptr), "null");
  EXPECT_EQ(describe(true), "true");
  EXPECT_EQ(describe(-3), "number -3");
  EXPECT_EQ(describe(0.5), "number 0.5");
  EXPECT_EQ(describe("a\nb"), "string 'a\\nb'");
  EXPECT_EQ(describe({1, 2, 3}), "array of 3 values");
  EXPECT_EQ(describe({{"a", 1}}), "object with 1 field");
  EXPECT_LT(describe(std::string(100000, 'x')).size(), 200u);
}

} // namespace
} // namespace llmc::json
