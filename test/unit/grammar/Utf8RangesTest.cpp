#include "runtime/grammar/Utf8Ranges.h"

#include "runtime/text/Unicode.h"

#include "gtest/gtest.h"

#include <string>

using namespace llmc::grammar;

namespace {

bool matches(const std::vector<std::vector<ByteRange>> &sequences, uint32_t character) {
  std::string bytes;
  llmc::text::appendUtf8(bytes, character);
  int count = 0;
  for (const std::vector<ByteRange> &sequence : sequences) {
    bool is = sequence.size() == bytes.size();
    for (size_t i = 0; is && i < bytes.size(); ++i)
      is = sequence[i].first <= static_cast<uint8_t>(bytes[i]) &&
           static_cast<uint8_t>(bytes[i]) <= sequence[i].last;
    count += is;
  }
  EXPECT_LE(count, 1) << character;
  return count == 1;
}

TEST(Utf8RangesTest, AreThoseCharactersAndNoOthers) {
  const CodePointRange ranges[] = {
      {0, 0x10FFFF},   {0x41, 0x41},     {0x20, 0x7F},      {0x7F, 0x80},       {0x100, 0x17F},
      {0x7C1, 0x1234}, {0xD700, 0xE0FF}, {0xFFFE, 0x10001}, {0x1F600, 0x1F64F}, {0x3FFFF, 0x10FFFF}};
  for (const CodePointRange &range : ranges) {
    const auto sequences = utf8Sequences(range);
    for (uint32_t character = 0; character <= 0x10FFFF; character += character < 0x12000 ? 1 : 61) {
      const bool isSurrogate = character >= 0xD800 && character < 0xE000;
      if (!isSurrogate)
        ASSERT_EQ(matches(sequences, character), range.first <= character && character <= range.last)
            << character;
    }
    for (uint32_t character : {range.first, range.last})
      EXPECT_TRUE(matches(sequences, character)) << character;
  }
  EXPECT_TRUE(utf8Sequences({0xD800, 0xDFFF}).empty()) << "surrogates are no characters";
}

} // namespace
