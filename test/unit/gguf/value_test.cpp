#include "frontend/gguf/Value.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/unit/gguf/GgufWriter.h"

namespace llmc::gguf {
namespace {

using testing::Bytes;
using ::testing::ElementsAre;
using ::testing::Optional;

/// Keeps the bytes that its value looks at.
struct Parsed {
  Parsed(ValueType type, const Bytes &written) : bytes(written.content) {
    Cursor cursor(absl::MakeConstSpan(reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()));
    absl::StatusOr<Value> read = Value::read(cursor, type);
    EXPECT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(cursor.remaining(), 0u);
    if (read.ok())
      value = *read;
  }
  std::string bytes;
  Value value;
};

TEST(ValueTest, IntegersOfAllWidths) {
  EXPECT_THAT(Parsed(ValueType::UInt8, Bytes().u8(200)).value.asInteger(), Optional(200));
  EXPECT_THAT(Parsed(ValueType::Int8, Bytes().u8(200)).value.asInteger(), Optional(-56));
  EXPECT_THAT(Parsed(ValueType::UInt16, Bytes().number<uint16_t>(65000)).value.asInteger(), Optional(65000));
  EXPECT_THAT(Parsed(ValueType::Int16, Bytes().number<int16_t>(-300)).value.asInteger(), Optional(-300));
  EXPECT_THAT(Parsed(ValueType::UInt32, Bytes().u32(4000000000)).value.asInteger(), Optional(4000000000));
  EXPECT_THAT(Parsed(ValueType::Int32, Bytes().number<int32_t>(-5)).value.asInteger(), Optional(-5));
  EXPECT_THAT(Parsed(ValueType::Int64, Bytes().number<int64_t>(INT64_MIN)).value.asInteger(),
              Optional(INT64_MIN));
  EXPECT_THAT(Parsed(ValueType::UInt64, Bytes().u64(INT64_MAX)).value.asInteger(), Optional(INT64_MAX));
  Parsed huge(ValueType::UInt64, Bytes().u64(UINT64_MAX));
  EXPECT_EQ(huge.value.asInteger(), std::nullopt);
  EXPECT_EQ(huge.value.describe(), "u64 18446744073709551615");
}

TEST(ValueTest, NumbersAreIntegersOrFloats) {
  EXPECT_THAT(Parsed(ValueType::Float32, Bytes().number(1.5f)).value.asNumber(), Optional(1.5));
  EXPECT_THAT(Parsed(ValueType::Float64, Bytes().number(0.1)).value.asNumber(), Optional(0.1));
  EXPECT_THAT(Parsed(ValueType::Int8, Bytes().u8(255)).value.asNumber(), Optional(-1.0));
  EXPECT_THAT(Parsed(ValueType::UInt64, Bytes().u64(UINT64_MAX)).value.asNumber(), Optional(0x1p64));
  EXPECT_EQ(Parsed(ValueType::Float32, Bytes().number(1.0f)).value.asInteger(), std::nullopt);
  EXPECT_EQ(Parsed(ValueType::Bool, Bytes().u8(1)).value.asNumber(), std::nullopt);
}

TEST(ValueTest, OnlyTheRightTypeAnswers) {
  Parsed text(ValueType::String, Bytes().string("llama"));
  EXPECT_EQ(text.value.asString(), "llama");
  EXPECT_EQ(text.value.asInteger(), std::nullopt);
  EXPECT_EQ(text.value.asBool(), std::nullopt);
  EXPECT_EQ(text.value.asStrings(), std::nullopt);
  Parsed truth(ValueType::Bool, Bytes().u8(1));
  EXPECT_THAT(truth.value.asBool(), Optional(true));
  EXPECT_EQ(truth.value.asString(), std::nullopt);
}

TEST(ValueTest, Arrays) {
  Parsed numbers(ValueType::Array, Bytes().u32(5).u64(3).u32(1).u32(-2).u32(3));
  EXPECT_THAT(numbers.value.asIntegers(), Optional(ElementsAre(1, -2, 3)));
  EXPECT_THAT(numbers.value.asNumbers(), Optional(ElementsAre(1.0, -2.0, 3.0)));
  EXPECT_EQ(numbers.value.asStrings(), std::nullopt);
  EXPECT_EQ(numbers.value.asInteger(), std::nullopt);
  EXPECT_EQ(numbers.value.size(), 3u);
  EXPECT_EQ(numbers.value.elementType(), ValueType::Int32);
  Parsed strings(ValueType::Array, Bytes().u32(8).u64(2).string("").string("ab"));
  EXPECT_THAT(strings.value.asStrings(), Optional(ElementsAre("", "ab")));
  Parsed bools(ValueType::Array, Bytes().u32(7).u64(2).u8(0).u8(1));
  EXPECT_THAT(bools.value.asBools(), Optional(ElementsAre(false, true)));
  Parsed empty(ValueType::Array, Bytes().u32(8).u64(0));
  EXPECT_THAT(empty.value.asStrings(), Optional(ElementsAre()));
}

TEST(ValueTest, NestedArrays) {
  Bytes inner1 = Bytes().u32(0).u64(2).u8(7).u8(8);
  Bytes inner2 = Bytes().u32(8).u64(1).string("x");
  Parsed nested(ValueType::Array, Bytes().u32(9).u64(2).raw(inner1.content).raw(inner2.content));
  auto arrays = nested.value.asArrays();
  ASSERT_TRUE(arrays);
  ASSERT_EQ(arrays->size(), 2u);
  EXPECT_THAT((*arrays)[0].asIntegers(), Optional(ElementsAre(7, 8)));
  EXPECT_THAT((*arrays)[1].asStrings(), Optional(ElementsAre("x")));
}

TEST(ValueTest, DescriptionsAreOneShortLine) {
  EXPECT_EQ(Parsed(ValueType::UInt32, Bytes().u32(7)).value.describe(), "u32 7");
  EXPECT_EQ(Parsed(ValueType::Float32, Bytes().number(0.5f)).value.describe(), "f32 0.5");
  EXPECT_EQ(Parsed(ValueType::Bool, Bytes().u8(0)).value.describe(), "bool false");
  EXPECT_EQ(Parsed(ValueType::String, Bytes().string("a\nb")).value.describe(), "string 'a\\nb'");
  EXPECT_EQ(Parsed(ValueType::Array, Bytes().u32(8).u64(1).string("x")).value.describe(),
            "array of 1 string");
  EXPECT_LT(Parsed(ValueType::String, Bytes().string(std::string(9999, 'x'))).value.describe().size(), 200u);
}

} // namespace
} // namespace llmc::gguf
