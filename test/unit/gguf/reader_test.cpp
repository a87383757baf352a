#include "frontend/gguf/Reader.h"

#include <filesystem>
#include <fstream>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/unit/gguf/GgufWriter.h"

namespace llmc::gguf {
namespace {

using testing::Bytes;
using ::testing::ElementsAre;
using testing::GgufWriter;

absl::Span<const uint8_t> spanOf(const std::string &content) {
  return absl::MakeConstSpan(reinterpret_cast<const uint8_t *>(content.data()), content.size());
}

GgufWriter smallModel() {
  GgufWriter writer;
  writer.stringEntry("general.architecture", "llama").u32Entry("llama.block_count", 30);
  writer.entry("llama.rope.freq_base", 6, Bytes().number(10000.0f).content);
  writer.entry("tokenizer.ggml.add_bos_token", 7, Bytes().u8(1).content);
  writer.entry("tokenizer.ggml.tokens", 9, Bytes().u32(8).u64(2).string("a").string("b").content);
  writer.entry("tokenizer.ggml.token_type", 9, Bytes().u32(5).u64(2).u32(1).u32(3).content);
  writer.entry("tokenizer.ggml.scores", 9, Bytes().u32(6).u64(1).number(-0.5f).content);
  writer.tensors = {{"norm.weight", {3}, 0, 0}, {"up.weight", {64, 3, 2}, 3, 32}};
  writer.data = Bytes().number(1.0f).number(2.0f).number(3.0f).alignTo(32).raw(std::string(240, 'q')).content;
  return writer;
}

TEST(GgufReaderTest, ReadsMetadataAndTensors) {
  for (uint32_t version : {2u, 3u}) {
    GgufWriter writer = smallModel();
    writer.version = version;
    std::string content = writer.file();
    auto reader = Reader::parse("m.gguf", spanOf(content));
    ASSERT_TRUE(reader.ok()) << reader.status();
    EXPECT_EQ(reader->path(), "m.gguf");
    EXPECT_EQ(reader->version(), version);
    ASSERT_EQ(reader->metadata().size(), 7u);
    EXPECT_EQ(reader->metadata()[1].key, "llama.block_count");
    EXPECT_EQ(reader->string("general.architecture").value(), "llama");
    EXPECT_EQ(reader->integer("llama.block_count").value(), 30);
    EXPECT_EQ(reader->number("llama.rope.freq_base").value(), 10000.0);
    EXPECT_EQ(reader->boolean("tokenizer.ggml.add_bos_token").value(), true);
    EXPECT_THAT(reader->strings("tokenizer.ggml.tokens").value(), ElementsAre("a", "b"));
    EXPECT_THAT(reader->integers("tokenizer.ggml.token_type").value(), ElementsAre(1, 3));
    EXPECT_THAT(reader->numbers("tokenizer.ggml.scores").value(), ElementsAre(-0.5));

    ASSERT_EQ(reader->tensors().size(), 2u);
    const Tensor *norm = reader->findTensor("norm.weight");
    ASSERT_NE(norm, nullptr);
    EXPECT_EQ(norm->format, blocks::StorageFormat::F32);
    EXPECT_THAT(norm->shape, ElementsAre(3));
    float values[3];
    blocks::dequantize(norm->format, norm->bytes.data(), norm->elements(), values);
    EXPECT_THAT(values, ElementsAre(1.0f, 2.0f, 3.0f));
    const Tensor *up = reader->findTensor("up.weight");
    ASSERT_NE(up, nullptr);
    EXPECT_EQ(up->format, blocks::StorageFormat::Q4_1);
    EXPECT_THAT(up->shape, ElementsAre(2, 3, 64));
    EXPECT_EQ(up->elements(), 384);
    EXPECT_EQ(up->bytes.size(), 240u);
    EXPECT_EQ(up->bytes.data() + up->bytes.size(), spanOf(content).data() + content.size());
    EXPECT_EQ(up->fileOffset, norm->fileOffset + 32);
    EXPECT_EQ(reader->findTensor("down.weight"), nullptr);
  }
}

TEST(GgufReaderTest, SaysWhatIsMissingOrOfAnotherType) {
  std::string content = smallModel().file();
  auto reader = Reader::parse("m.gguf", spanOf(content));
  ASSERT_TRUE(reader.ok()) << reader.status();
  absl::Status missing = reader->integer("llama.embedding_length").status();
  EXPECT_EQ(missing.message(), "m.gguf: metadata 'llama.embedding_length' is missing, expected an integer");
  EXPECT_TRUE(absl::IsNotFound(missing));
  absl::Status wrong = reader->integer("general.architecture").status();
  EXPECT_EQ(wrong.message(),
            "m.gguf: metadata 'general.architecture': expected an integer, found string 'llama'");
  EXPECT_TRUE(absl::IsInvalidArgument(wrong));
  EXPECT_EQ(reader->strings("llama.block_count").status().message(),
            "m.gguf: metadata 'llama.block_count': expected an array of strings, found u32 30");
  EXPECT_EQ(reader->string("tokenizer.ggml.tokens").status().message(),
            "m.gguf: metadata 'tokenizer.ggml.tokens': expected a string, found array of 2 string");
}

TEST(GgufReaderTest, DefaultsStandInForMissingKeysOnly) {
  std::string content = smallModel().file();
  auto reader = Reader::parse("m.gguf", spanOf(content));
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_EQ(reader->integerOr("llama.block_count", 5).value(), 30);
  EXPECT_EQ(reader->integerOr("none", 5).value(), 5);
  EXPECT_EQ(reader->numberOr("none", 0.5).value(), 0.5);
  EXPECT_EQ(reader->booleanOr("none", true).value(), true);
  EXPECT_EQ(reader->stringOr("none", "x").value(), "x");
  EXPECT_FALSE(reader->integerOr("general.architecture", 5).ok());
}

TEST(GgufReaderTest, OtherAlignments) {
  for (uint32_t alignment : {8u, 64u, 4096u}) {
    GgufWriter writer;
    writer.u32Entry("general.alignment", alignment);
    writer.alignment = alignment;
    writer.tensors = {{"t", {1}, 0, alignment}};
    writer.data = std::string(alignment, 'x') + Bytes().number(7.0f).content;
    std::string content = writer.file();
    auto reader = Reader::parse("m.gguf", spanOf(content));
    ASSERT_TRUE(reader.ok()) << reader.status();
    float value;
    blocks::dequantize(blocks::StorageFormat::F32, reader->tensors()[0].bytes.data(), 1, &value);
    EXPECT_EQ(value, 7.0f);
  }
}

TEST(GgufReaderTest, AFileWithoutTensorsMayEndAfterItsHeader) {
  GgufWriter writer;
  writer.stringEntry("general.architecture", "llama");
  std::string content = writer.header();
  auto reader = Reader::parse("m.gguf", spanOf(content));
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_TRUE(reader->tensors().empty());
}

TEST(GgufReaderTest, OpensAFile) {
  std::string path = ::testing::TempDir() + "gguf_reader_test_" + std::to_string(::getpid()) + ".gguf";
  std::ofstream(path, std::ios::binary) << smallModel().file();
  auto opened = Reader::open(path);
  ASSERT_TRUE(opened.ok()) << opened.status();
  Reader reader = *std::move(opened); // views must survive the move
  EXPECT_EQ(reader.string("general.architecture").value(), "llama");
  const Tensor &tensor = reader.tensors()[1];
  reader.advise(io::Access::Sequential, tensor);
  reader.advise(io::Access::DontNeed, tensor);
  EXPECT_EQ(tensor.bytes[239], 'q');
  std::ofstream(path, std::ios::binary) << "GGML";
  EXPECT_EQ(Reader::open(path).status().message(),
            path + ": is not a GGUF file: starts with 'GGML', expected 'GGUF'");
  std::filesystem::remove(path);
  EXPECT_FALSE(Reader::open(path).ok());
}

} // namespace
} // namespace llmc::gguf
