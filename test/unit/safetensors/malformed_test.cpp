// Each way in which a safetensors file can be wrong, and the one line that says so.

#include "frontend/safetensors/Reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/unit/safetensors/SafetensorsWriter.h"

namespace llmc::safetensors {
namespace {

using testing::entryOf;
using testing::fileOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string errorOf(const std::string &content) {
  auto reader = Reader::parse(
      "m", absl::MakeConstSpan(reinterpret_cast<const uint8_t *>(content.data()), content.size()));
  if (reader.ok())
    return "no error";
  std::string message(reader.status().message());
  EXPECT_THAT(message, ::testing::StartsWith("m: "));
  EXPECT_THAT(message, Not(HasSubstr("\n")));
  return message.substr(3);
}

/// The error of a file with this header and 16 bytes of data.
std::string errorOfHeader(const std::string &header) { return errorOf(fileOf(header, std::string(16, 'x'))); }

/// The error of a file with this only tensor `t` and 16 bytes of data.
std::string errorOfTensor(const std::string &dtype, const std::string &shape, const std::string &offsets) {
  return errorOfHeader("{" + entryOf("t", dtype, shape, offsets) + "}");
}

TEST(MalformedSafetensorsTest, TheUnchangedFileIsGood) {
  EXPECT_EQ(errorOfTensor("F32", "[2,2]", "[0,16]"), "no error");
}

TEST(MalformedSafetensorsTest, EveryTruncationIsAnError) {
  std::string content = fileOf("{" + entryOf("t", "F32", "[2,2]", "[0,16]") + "}", std::string(16, 'x'));
  for (size_t size = 0; size < content.size(); ++size)
    EXPECT_THAT(errorOf(content.substr(0, size)), Not("no error")) << size;
  EXPECT_EQ(errorOf(content.substr(0, 7)),
            "the file has 7 bytes, expected at least the 8 of the header length");
  EXPECT_EQ(errorOf(content.substr(0, 20)), "header ends at byte 65 but the file has 20 bytes");
  EXPECT_EQ(errorOf(content.substr(0, content.size() - 1)),
            "tensor 't': data ends at byte 16 of the data section, which has 15 bytes");
}

TEST(MalformedSafetensorsTest, HeaderLength) {
  auto withLength = [](uint64_t length) {
    return std::string(reinterpret_cast<const char *>(&length), 8) + "{}" + std::string(30, ' ');
  };
  EXPECT_EQ(errorOf(withLength(UINT64_MAX)),
            "is not a safetensors file: header length is 18446744073709551615, expected at most 100000000");
  EXPECT_EQ(errorOf(withLength(100000000)), "header ends at byte 100000008 but the file has 40 bytes");
  EXPECT_EQ(errorOf(withLength(0)), "is not a safetensors file: header starts with '', expected '{'");
  EXPECT_EQ(errorOf(fileOf("PK", "")), "is not a safetensors file: header starts with 'P', expected '{'");
}

TEST(MalformedSafetensorsTest, HeaderText) {
  EXPECT_EQ(errorOfHeader("{\"t\""), "header: line 1, column 4: ends in the middle of a value");
  EXPECT_THAT(errorOfHeader("{\"t\": nine}"), HasSubstr("header: line 1, column 8: is not valid JSON near "));
  EXPECT_THAT(errorOfHeader("{\"t\":" + std::string(1000000, '[')), HasSubstr("nested more than 64 deep"));
  std::string tensor = entryOf("t", "F32", "[2,2]", "[0,16]");
  EXPECT_THAT(errorOfHeader("{" + tensor + "," + tensor + "}"),
              HasSubstr("key 't' appears twice in the same object"));
  EXPECT_THAT(errorOfHeader(R"({"t":{"dtype":"F32","dtype":"F16","shape":[4],"data_offsets":[0,16]}})"),
              HasSubstr("key 'dtype' appears twice"));
  EXPECT_EQ(errorOfHeader(R"({"t":[1,2]})"), "tensor 't': expected an object, found array of 2 values");
  EXPECT_EQ(errorOfHeader(R"({"__metadata__":1})"),
            "field '__metadata__': expected an object, found number 1");
  EXPECT_EQ(errorOfHeader(R"({"__metadata__":{"k":1}})"),
            "field '__metadata__': 'k': expected a string, found number 1");
}

TEST(MalformedSafetensorsTest, Types) {
  EXPECT_EQ(errorOfTensor("F31", "[2,2]", "[0,16]"),
            "tensor 't': field 'dtype': expected a type that safetensors defines, found string 'F31'");
  EXPECT_EQ(errorOfHeader(R"({"t":{"dtype":3,"shape":[4],"data_offsets":[0,16]}})"),
            "tensor 't': field 'dtype': expected a string, found number 3");
  EXPECT_EQ(errorOfHeader(R"({"t":{"shape":[4],"data_offsets":[0,16]}})"),
            "tensor 't': field 'dtype': expected a string, found nothing");
}

TEST(MalformedSafetensorsTest, Shapes) {
  std::string integers = "expected an array of integers from 0 to 2^63 - 1, found ";
  EXPECT_EQ(errorOfHeader(R"({"t":{"dtype":"F32","data_offsets":[0,16]}})"),
            "tensor 't': field 'shape': " + integers + "nothing");
  EXPECT_EQ(errorOfTensor("F32", "4", "[0,16]"), "tensor 't': field 'shape': " + integers + "number 4");
  EXPECT_EQ(errorOfTensor("F32", "[-4]", "[0,16]"),
            "tensor 't': field 'shape': " + integers + "number -4 in it");
  EXPECT_EQ(errorOfTensor("F32", "[4.0]", "[0,16]"),
            "tensor 't': field 'shape': " + integers + "number 4.0 in it");
  EXPECT_EQ(errorOfTensor("F32", "[18446744073709551615]", "[0,16]"),
            "tensor 't': field 'shape': " + integers + "number 18446744073709551615 in it");
  std::string overflow = "tensor 't': field 'shape': the size of the tensor overflows 63 bits";
  EXPECT_EQ(errorOfTensor("F32", "[4294967296,4294967296]", "[0,16]"), overflow);
  EXPECT_EQ(errorOfTensor("F32", "[4611686018427387904,4]", "[0,16]"), overflow);
  EXPECT_EQ(errorOfTensor("F32", "[0,9223372036854775807,9223372036854775807]", "[0,0]"), overflow);
  EXPECT_EQ(errorOfTensor("F32", "[1,1,1,1,1,1,1,1,4]", "[0,16]"),
            "tensor 't': field 'shape': expected at most 8 dimensions, found 9");
  EXPECT_EQ(errorOfTensor("F4", "[31]", "[0,16]"),
            "tensor 't': field 'shape': 31 elements of type F4 do not fill whole bytes");
}

TEST(MalformedSafetensorsTest, Offsets) {
  EXPECT_EQ(errorOfTensor("F32", "[4]", "[0]"),
            "tensor 't': field 'data_offsets': expected a begin and an end, found array of 1 value");
  EXPECT_EQ(
      errorOfTensor("F32", "[4]", "\"x\""),
      "tensor 't': field 'data_offsets': expected an array of integers from 0 to 2^63 - 1, found string 'x'");
  EXPECT_EQ(errorOfTensor("F32", "[4]", "[16,0]"),
            "tensor 't': field 'data_offsets': begin 16 lies behind end 0");
  EXPECT_EQ(errorOfTensor("F32", "[5]", "[0,20]"),
            "tensor 't': data ends at byte 20 of the data section, which has 16 bytes");
  EXPECT_EQ(errorOfTensor("F32", "[2]", "[9223372036854775800,9223372036854775807]"),
            "tensor 't': data ends at byte 9223372036854775807 of the data section, which has 16 bytes");
  EXPECT_EQ(errorOfTensor("F32", "[3]", "[0,16]"),
            "tensor 't': field 'data_offsets': span 16 bytes, expected 12 from shape and dtype");
}

TEST(MalformedSafetensorsTest, Layout) {
  auto errorOfTwo = [](const std::string &a, const std::string &b, int dataBytes) {
    return errorOf(fileOf("{" + a + "," + b + "}", std::string(dataBytes, 'x')));
  };
  std::string a = entryOf("a", "U8", "[8]", "[0,8]");
  std::string header = "{" + a + "," + entryOf("b", "U8", "[8]", "[8,16]") + "}";
  size_t start = 8 + header.size();
  EXPECT_EQ(errorOfTwo(a, entryOf("b", "U8", "[8]", "[8,16]"), 16), "no error");
  EXPECT_EQ(errorOfTwo(a, entryOf("b", "U8", "[9]", "[7,16]"), 16),
            "tensor 'b': data begins at byte " + std::to_string(start + 7) +
                ", inside tensor 'a', which ends at byte " + std::to_string(start + 8));
  EXPECT_EQ(errorOfTwo(a, entryOf("b", "U8", "[7]", "[9,16]"), 16),
            "tensor 'b': data begins at byte " + std::to_string(start + 9) + ", expected " +
                std::to_string(start + 8) + ", where the data before it ends");
  EXPECT_EQ(errorOfTwo(a, entryOf("b", "U8", "[8]", "[8,16]"), 17),
            "the tensors end at byte " + std::to_string(start + 16) + " but the file has " +
                std::to_string(start + 17) + " bytes");
  EXPECT_THAT(errorOfTwo(a, entryOf("b", "U8", "[8]", "[0,8]"), 8), HasSubstr("inside tensor"));
  EXPECT_THAT(errorOfHeader("{" + entryOf("t", "U8", "[15]", "[1,16]") + "}"),
              HasSubstr("where the data before it ends"));
}

} // namespace
} // namespace llmc::safetensors
