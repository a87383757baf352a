//===- double_array_test.cpp - tries of byte strings -----------------------===//

#include "runtime/text/DoubleArray.h"

#include <map>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/match.h"

#include "frontend/tokenizer/DoubleArrayBuilder.h"

namespace llmc::text {
namespace {

using testing::HasSubstr;

DoubleArray build(const std::map<std::string, uint32_t> &keys) {
  absl::StatusOr<DoubleArray> array =
      DoubleArray::create(tokenizer::buildDoubleArray({keys.begin(), keys.end()}));
  EXPECT_TRUE(array.ok()) << array.status();
  return *std::move(array);
}

std::vector<std::pair<size_t, uint32_t>> prefixes(const DoubleArray &array, absl::string_view text) {
  std::vector<std::pair<size_t, uint32_t>> found;
  array.forEachPrefix(text, [&](size_t length, uint32_t value) { found.emplace_back(length, value); });
  return found;
}

TEST(DoubleArray, FindsTheKeysThatATextBeginsWith) {
  std::mt19937 random(1);
  // Few bytes make deep tries, many make wide ones.
  for (unsigned bytes : {2, 7, 255}) {
    std::map<std::string, uint32_t> keys;
    for (uint32_t i = 0; i < 20000; ++i) {
      std::string key(1 + random() % 9, ' ');
      for (char &byte : key)
        byte = static_cast<char>(1 + random() % bytes);
      keys[key] = i * 100000u % 0x7FFFFFFF;
    }
    DoubleArray array = build(keys);
    for (int i = 0; i < 2000; ++i) {
      std::string text(random() % 12, ' ');
      for (char &byte : text)
        byte = static_cast<char>(random() % (bytes + 1)); // a zero byte among them
      std::vector<std::pair<size_t, uint32_t>> expected;
      for (size_t length = 1; length <= text.size(); ++length)
        if (auto key = keys.find(text.substr(0, length)); key != keys.end())
          expected.emplace_back(length, key->second);
      ASSERT_EQ(prefixes(array, text), expected);
      ASSERT_EQ(array.longestPrefix(text).length, expected.empty() ? 0 : expected.back().first);
    }
  }
}

TEST(DoubleArray, OfEqualKeysTheLargestValueCounts) {
  absl::StatusOr<DoubleArray> array = DoubleArray::create(tokenizer::buildDoubleArray({{"a", 7}, {"a", 3}}));
  ASSERT_TRUE(array.ok());
  EXPECT_EQ(array->longestPrefix("ab").value, 7u);
}

TEST(DoubleArray, MayBeEmpty) {
  EXPECT_TRUE(tokenizer::buildDoubleArray({}).empty());
  EXPECT_EQ(build({}).longestPrefix("a").length, 0u);
}

TEST(DoubleArray, RefusesStepsOutOfTheArray) {
  EXPECT_THAT(std::string(DoubleArray::create({1u << 20}).status().message()),
              HasSubstr("unit 0 leads to unit 1024, but there are 256"));
  EXPECT_THAT(std::string(DoubleArray::create({1u << 31 | 1u << 30}).status().message()),
              HasSubstr("the first unit is a value"));
}

} // namespace
} // namespace llmc::text
