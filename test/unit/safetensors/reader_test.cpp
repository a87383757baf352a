#include "frontend/safetensors/Reader.h"

#include <cstring>
#include <filesystem>
#include <fstream>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/unit/safetensors/SafetensorsWriter.h"

namespace llmc::safetensors {
namespace {

using ::testing::ElementsAre;
using testing::entryOf;
using testing::fileOf;
using ::testing::Pair;

absl::Span<const uint8_t> spanOf(const std::string &content) {
  return absl::MakeConstSpan(reinterpret_cast<const uint8_t *>(content.data()), content.size());
}

TEST(SafetensorsReaderTest, ReadsTensorsInTheOrderOfTheirBytes) {
  float values[] = {1.0f, -2.0f};
  std::string data(reinterpret_cast<const char *>(values), 8);
  data += std::string(12, 'h') + std::string(8, 'i');
  std::string content = fileOf(
      "{\"__metadata__\":{\"format\":\"pt\",\"a\":\"b\"}," + entryOf("ids", "I64", "[1]", "[20,28]") + "," +
          entryOf("half", "BF16", "[2,3]", "[8,20]") + "," + entryOf("w", "F32", "[2]", "[0,8]") + "}   ",
      data);
  auto reader = Reader::parse("m.safetensors", spanOf(content));
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_THAT(reader->metadata(), ElementsAre(Pair("a", "b"), Pair("format", "pt")));
  ASSERT_EQ(reader->tensors().size(), 3u);
  const Tensor &w = reader->tensors()[0];
  EXPECT_EQ(w.name, "w");
  EXPECT_EQ(w.weightFormat().value(), blocks::StorageFormat::F32);
  ASSERT_EQ(w.bytes.size(), 8u);
  EXPECT_EQ(std::memcmp(w.bytes.data(), values, 8), 0);
  EXPECT_EQ(w.fileOffset, content.size() - 28);
  const Tensor *half = reader->find("half");
  ASSERT_NE(half, nullptr);
  EXPECT_THAT(half->shape, ElementsAre(2, 3));
  EXPECT_EQ(half->elements(), 6);
  EXPECT_EQ(half->bytes[0], 'h');
  EXPECT_EQ(half->weightFormat().value(), blocks::StorageFormat::BF16);
  EXPECT_EQ(reader->find("ids")->weightFormat().status().message(),
            "tensor 'ids': type I64 is not supported for weights; supported are F32, F16, BF16");
  EXPECT_EQ(reader->find("none"), nullptr);
}

TEST(SafetensorsReaderTest, ScalarsAndEmptyTensors) {
  std::string content = fileOf("{" + entryOf("empty", "F32", "[3,0]", "[4,4]") + "," +
                                   entryOf("scalar", "F32", "[]", "[0,4]") + "}",
                               "abcd");
  auto reader = Reader::parse("m", spanOf(content));
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_EQ(reader->find("scalar")->elements(), 1);
  EXPECT_EQ(reader->find("scalar")->bytes.size(), 4u);
  EXPECT_EQ(reader->find("empty")->elements(), 0);
  EXPECT_EQ(reader->find("empty")->weightFormat().status().message(), "tensor 'empty': has no elements");
}

TEST(SafetensorsReaderTest, AHeaderWithoutTensors) {
  std::string content = fileOf("{}", "");
  auto reader = Reader::parse("m", spanOf(content));
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_TRUE(reader->tensors().empty());
}

TEST(SafetensorsReaderTest, KnowsAllElementTypes) {
  // Sizes of 8 elements, from the format's description.
  const std::pair<const char *, int> sizes[] = {{"BOOL", 8},    {"F4", 4},   {"F6_E2M3", 6}, {"F6_E3M2", 6},
                                                {"U8", 8},      {"I8", 8},   {"F8_E5M2", 8}, {"F8_E4M3", 8},
                                                {"F8_E8M0", 8}, {"I16", 16}, {"U16", 16},    {"F16", 16},
                                                {"BF16", 16},   {"I32", 32}, {"U32", 32},    {"F32", 32},
                                                {"C64", 64},    {"F64", 64}, {"I64", 64},    {"U64", 64}};
  for (auto [name, bytes] : sizes) {
    std::string content = fileOf("{" + entryOf("t", name, "[8]", "[0," + std::to_string(bytes) + "]") + "}",
                                 std::string(bytes, 'x'));
    auto reader = Reader::parse("m", spanOf(content));
    ASSERT_TRUE(reader.ok()) << reader.status();
    EXPECT_EQ(nameOf(reader->tensors()[0].type), name);
  }
}

TEST(SafetensorsReaderTest, OpensAFile) {
  std::string path = ::testing::TempDir() + "safetensors_reader_test_" + std::to_string(::getpid());
  std::ofstream(path, std::ios::binary) << fileOf("{" + entryOf("t", "F16", "[2]", "[0,4]") + "}", "wxyz");
  auto opened = Reader::open(path);
  ASSERT_TRUE(opened.ok()) << opened.status();
  Reader reader = *std::move(opened); // views must survive the move
  reader.advise(io::Access::WillNeed, reader.tensors()[0]);
  EXPECT_EQ(reader.find("t")->bytes[3], 'z');
  EXPECT_EQ(reader.path(), path);
  std::filesystem::remove(path);
  EXPECT_THAT(std::string(Reader::open(path).status().message()), ::testing::HasSubstr("cannot open"));
}

} // namespace
} // namespace llmc::safetensors
