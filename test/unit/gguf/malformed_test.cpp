// Each way in which a GGUF file can be wrong, and the one line that says so.

#include "frontend/gguf/Reader.h"

#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/unit/gguf/GgufWriter.h"

namespace llmc::gguf {
namespace {

using testing::Bytes;
using testing::GgufWriter;
using ::testing::HasSubstr;
using ::testing::Not;

std::string errorOf(const std::string &content) {
  auto reader = Reader::parse(
      "m.gguf", absl::MakeConstSpan(reinterpret_cast<const uint8_t *>(content.data()), content.size()));
  if (reader.ok())
    return "no error";
  std::string message(reader.status().message());
  EXPECT_THAT(message, ::testing::StartsWith("m.gguf: "));
  EXPECT_THAT(message, Not(HasSubstr("\n")));
  return message.substr(8);
}

/// A correct file with two tensors of 128 bytes.
GgufWriter goodFile() {
  GgufWriter writer;
  writer.stringEntry("general.architecture", "llama");
  writer.tensors = {{"a", {32}, 0, 0}, {"b", {16, 2}, 0, 128}};
  writer.data = std::string(256, 'x');
  return writer;
}

/// The error of the correct file after `change`.
std::string errorAfter(const std::function<void(GgufWriter &)> &change) {
  GgufWriter writer = goodFile();
  change(writer);
  return errorOf(writer.file());
}

TEST(MalformedGgufTest, TheUnchangedFileIsGood) {
  EXPECT_EQ(errorAfter([](GgufWriter &) {}), "no error");
}

TEST(MalformedGgufTest, EveryTruncationIsAnError) {
  std::string content = goodFile().file();
  for (size_t size = 0; size < content.size(); ++size)
    EXPECT_THAT(errorOf(content.substr(0, size)), Not("no error")) << size;
  EXPECT_EQ(errorOf(""), "magic needs 4 bytes at byte 0 but the file has 0 bytes");
  EXPECT_EQ(errorOf("GGUF\3"), "version needs 4 bytes at byte 4 but the file has 5 bytes");
  EXPECT_EQ(errorOf(content.substr(0, 12)),
            "number of tensors needs 8 bytes at byte 8 but the file has 12 bytes");
}

TEST(MalformedGgufTest, MagicAndVersion) {
  EXPECT_EQ(errorAfter([](GgufWriter &w) {
              w.magic = "\x7f"
                        "ELF";
            }),
            "is not a GGUF file: starts with '\\x7fELF', expected 'GGUF'");
  EXPECT_EQ(errorAfter([](GgufWriter &w) { w.version = 1; }),
            "GGUF version 1 is not supported; supported are versions 2 and 3");
  EXPECT_EQ(errorAfter([](GgufWriter &w) { w.version = 4; }),
            "GGUF version 4 is not supported; supported are versions 2 and 3");
  EXPECT_EQ(errorAfter([](GgufWriter &w) { w.version = 0x03000000; }),
            "is a big-endian GGUF file; only little-endian files are supported");
}

TEST(MalformedGgufTest, CountsThatCannotFit) {
  EXPECT_THAT(errorAfter([](GgufWriter &w) { w.tooManyTensors = uint64_t{1} << 60; }),
              HasSubstr("header claims 1152921504606846978 tensors, which do not fit into the "));
  EXPECT_THAT(errorAfter([](GgufWriter &w) { w.tooManyEntries = uint64_t{1} << 60; }),
              HasSubstr("header claims 1152921504606846977 metadata entries, which do not fit"));
  EXPECT_THAT(errorAfter([](GgufWriter &w) { w.tooManyEntries = 1; }), Not("no error"));
  EXPECT_THAT(errorAfter([](GgufWriter &w) { w.tooManyTensors = 1; }), Not("no error"));
}

TEST(MalformedGgufTest, Keys) {
  EXPECT_EQ(errorAfter([](GgufWriter &w) { w.u32Entry("", 1); }),
            "metadata entry 2 of 2: key has 0 bytes, expected 1 to 65535");
  EXPECT_EQ(errorAfter([](GgufWriter &w) { w.u32Entry(std::string(65536, 'k'), 1); }),
            "metadata entry 2 of 2: key has 65536 bytes, expected 1 to 65535");
  EXPECT_EQ(errorAfter([](GgufWriter &w) { w.u32Entry("k", 1).u32Entry("k", 2); }),
            "metadata 'k' appears twice");
  EXPECT_THAT(
      errorAfter([](GgufWriter &w) { w.entries.push_back(Bytes().u64(UINT64_MAX).raw("k").content); }),
      HasSubstr("metadata entry 2 of 2: key needs 18446744073709551615 bytes at byte "));
  EXPECT_THAT(errorAfter([](GgufWriter &w) { w.u32Entry("a\nb", 1).u32Entry("a\nb", 1); }),
              HasSubstr("metadata 'a\\nb' appears twice"));
}

TEST(MalformedGgufTest, Values) {
  EXPECT_EQ(errorAfter([](GgufWriter &w) { w.entry("k", 13, ""); }),
            "metadata 'k': value type 13 is unknown, expected 0 to 12");
  EXPECT_EQ(errorAfter([](GgufWriter &w) { w.entry("k", 7, Bytes().u8(2).content); }),
            "metadata 'k': bool has the value 2, expected 0 or 1");
  EXPECT_THAT(errorAfter([](GgufWriter &w) { w.entry("k", 8, Bytes().u64(uint64_t{1} << 40).content); }),
              HasSubstr("metadata 'k': string needs 1099511627776 bytes at byte "));
}

TEST(MalformedGgufTest, Arrays) {
  EXPECT_THAT(
      errorAfter([](GgufWriter &w) { w.entry("k", 9, Bytes().u32(4).u64(uint64_t{1} << 62).content); }),
      HasSubstr("metadata 'k': an array of 4611686018427387904 u32 does not fit into the "));
  EXPECT_THAT(errorAfter([](GgufWriter &w) { w.entry("k", 9, Bytes().u32(8).u64(UINT64_MAX).content); }),
              HasSubstr("metadata 'k': an array of 18446744073709551615 string does not fit into the "));
  EXPECT_EQ(errorAfter([](GgufWriter &w) { w.entry("k", 9, Bytes().u32(99).u64(1).content); }),
            "metadata 'k': value type 99 is unknown, expected 0 to 12");
  EXPECT_THAT(
      errorAfter([](GgufWriter &w) { w.entry("k", 9, Bytes().u32(8).u64(2).string("x").u64(5000).content); }),
      HasSubstr("metadata 'k': element 1: string needs 5000 bytes at byte "));
  EXPECT_EQ(errorAfter([](GgufWriter &w) { w.entry("k", 9, Bytes().u32(7).u64(2).u8(1).u8(9).content); }),
            "metadata 'k': element 1: bool has the value 9, expected 0 or 1");
  EXPECT_THAT(errorAfter([](GgufWriter &w) {
                Bytes nested;
                for (int i = 0; i < 100000; ++i)
                  nested.u32(9).u64(1);
                w.entry("k", 9, nested.content);
              }),
              HasSubstr("arrays are nested more than 8 deep"));
}

TEST(MalformedGgufTest, TensorNamesAndTypes) {
  EXPECT_EQ(errorAfter([](GgufWriter &w) { w.tensors[1].name = ""; }), "tensor 2 of 2: name is empty");
  EXPECT_EQ(errorAfter([](GgufWriter &w) { w.tensors[1].name = "a"; }), "tensor 'a' appears twice");
  EXPECT_EQ(errorAfter([](GgufWriter &w) { w.tensors[1].type = 21; }),
            "tensor 'b': type IQ3_S is not supported; supported are F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, "
            "Q5_1, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS, MXFP4");
  EXPECT_THAT(errorAfter([](GgufWriter &w) { w.tensors[1].type = 40; }),
              HasSubstr("type NVFP4 is not supported"));
  EXPECT_THAT(errorAfter([](GgufWriter &w) { w.tensors[1].type = 4000000000; }),
              HasSubstr("tensor 'b': type number 4000000000 is unknown; supported are F32"));
}

TEST(MalformedGgufTest, TensorShapes) {
  EXPECT_EQ(errorAfter([](GgufWriter &w) { w.tensors[1].dimensions = {}; }),
            "tensor 'b': has 0 dimensions, expected 1 to 4");
  EXPECT_EQ(errorAfter([](GgufWriter &w) { w.tensors[1].dimensions = {1, 1, 1, 1, 1}; }),
            "tensor 'b': has 5 dimensions, expected 1 to 4");
  EXPECT_EQ(errorAfter([](GgufWriter &w) { w.tensors[1].dimensions = {16, 0}; }),
            "tensor 'b': dimension 1 is 0, expected at least 1");
  EXPECT_EQ(
      errorAfter([](GgufWriter &w) { w.tensors[1].dimensions = {uint64_t{1} << 32, uint64_t{1} << 31}; }),
      "tensor 'b': dimension 1 is 2147483648: the number of elements overflows 63 bits");
  EXPECT_EQ(errorAfter([](GgufWriter &w) { w.tensors[1].dimensions = {UINT64_MAX}; }),
            "tensor 'b': dimension 0 is 18446744073709551615: the number of elements overflows 63 bits");
  EXPECT_EQ(errorAfter([](GgufWriter &w) { w.tensors[1].dimensions = {uint64_t{1} << 62}; }),
            "tensor 'b': the size of 4611686018427387904 elements of type F32 overflows 63 bits");
  EXPECT_EQ(errorAfter([](GgufWriter &w) { w.tensors[1] = {"b", {48, 2}, 2, 128}; }),
            "tensor 'b': rows have 48 elements, expected a multiple of 32 for type Q4_0");
  EXPECT_EQ(errorAfter([](GgufWriter &w) { w.tensors[1] = {"b", {32, 8}, 14, 128}; }),
            "tensor 'b': rows have 32 elements, expected a multiple of 256 for type Q6_K");
}

TEST(MalformedGgufTest, TensorPlaces) {
  size_t start = goodFile().file().size() - 256;
  EXPECT_EQ(errorAfter([](GgufWriter &w) { w.tensors[1].offset = 100; }),
            "tensor 'b': offset 100 is not a multiple of the alignment 32");
  EXPECT_EQ(errorAfter([](GgufWriter &w) { w.tensors[1].offset = 160; }),
            "tensor 'b': data ends at byte " + std::to_string(start + 288) + " but the file has " +
                std::to_string(start + 256) + " bytes");
  EXPECT_EQ(errorAfter([](GgufWriter &w) { w.tensors[1].offset = UINT64_MAX - 31; }),
            "tensor 'b': offset 18446744073709551584 overflows 63 bits");
  EXPECT_EQ(errorAfter([](GgufWriter &w) { w.tensors[1].offset = 96; }),
            "tensor 'b': data begins at byte " + std::to_string(start + 96) +
                ", inside tensor 'a', which ends at byte " + std::to_string(start + 128));
  EXPECT_THAT(errorAfter([](GgufWriter &w) { w.tensors[1].offset = 0; }), HasSubstr("inside tensor"));
}

TEST(MalformedGgufTest, Alignment) {
  for (uint32_t alignment : {0u, 1u, 4u, 48u, 0xffffffffu})
    EXPECT_EQ(errorAfter([&](GgufWriter &w) { w.u32Entry("general.alignment", alignment); }),
              "metadata 'general.alignment': expected a power of two from 8, found u32 " +
                  std::to_string(alignment));
  EXPECT_EQ(errorAfter([](GgufWriter &w) { w.stringEntry("general.alignment", "32"); }),
            "metadata 'general.alignment': expected a power of two from 8, found string '32'");
  EXPECT_THAT(errorAfter([](GgufWriter &w) { w.u32Entry("general.alignment", 1u << 31); }),
              HasSubstr("data ends at byte 2147483"));
}

} // namespace
} // namespace llmc::gguf
