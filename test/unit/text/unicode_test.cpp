//===- unicode_test.cpp - characters, their classes, their forms -----------===//

#include "runtime/text/Unicode.h"

#include <gtest/gtest.h>

#include "runtime/text/ByteLevelAlphabet.h"

namespace llmc::text {
namespace {

std::string normalized(UnicodeForm form, absl::string_view text) {
  Rewriting out(Tracking::Off);
  normalizeTo(form, text, out);
  return out.text;
}

TEST(Unicode, DecodesEveryCharacter) {
  for (char32_t c = 0; c <= 0x10FFFF; ++c) {
    if (c >= 0xD800 && c < 0xE000)
      continue;
    std::string text;
    appendUtf8(text, c);
    ASSERT_TRUE(isValidUtf8(text)) << static_cast<uint32_t>(c);
    DecodedCharacter front = decodeFront(text + "z"), back = decodeBack("z" + text);
    ASSERT_TRUE(front.character == c);
    ASSERT_EQ(front.length, text.size());
    ASSERT_TRUE(back.character == c);
  }
}

TEST(Unicode, ReplacesMaximalSubparts) {
  // The example of Unicode 15, table 3-11, and its neighbours.
  EXPECT_EQ(replaceInvalidUtf8("\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64"),
            "a\uFFFD\uFFFD\uFFFDb\uFFFDc\uFFFD\uFFFDd");
  EXPECT_EQ(replaceInvalidUtf8("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"),
            "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD"
            "A");
  EXPECT_EQ(replaceInvalidUtf8("\xF4\x90\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD");
}

TEST(Unicode, ClassesAreThoseOfTheReference) {
  EXPECT_TRUE(isWhiteSpace(0x85) && isWhiteSpace(0x3000) && !isWhiteSpace(0x180E) && !isWhiteSpace(0x200B));
  EXPECT_TRUE(isPunctuation('$') && isPunctuation(0xBF) && isPunctuation(0x166D));
  EXPECT_FALSE(isPunctuation(0x20AC));
  EXPECT_FALSE(isPunctuation(0x2E43)); // younger than Unicode 8
  EXPECT_TRUE(isNonspacingMark(0x300) && isNonspacingMark(0x1734));
  EXPECT_FALSE(isNonspacingMark(0x7FD));  // younger than Unicode 8
  EXPECT_FALSE(isNonspacingMark(0x1885)); // a letter then
  EXPECT_TRUE(isCombiningMark(0x300) && isCombiningMark(0x8E1) && isCombiningMark(0x1CF2));
  EXPECT_FALSE(isCombiningMark(0x1DF6) || isCombiningMark(0x7FD) ||
               isCombiningMark(0x111C9)); // as of Unicode 9
  EXPECT_TRUE(isBertControl(0xAD) && isBertControl(0xE000) && isBertControl(0));
  EXPECT_FALSE(isBertControl('\t') || isBertControl(0x110CD));
  EXPECT_TRUE(isBertChinese(0x4E00) && !isBertChinese(0x3042) && !isBertChinese(0xAC00));
  EXPECT_TRUE(isWordCharacter('_') && isWordCharacter(0x200D) && isWordCharacter(0x24B6) &&
              !isWordCharacter(0xB2));
}

TEST(Unicode, LowercasesCharacterByCharacter) {
  std::string text;
  for (char32_t c : {U'A', U'\u0130', U'\u03A3', U'\u1E9E', U'\u01C5', U'\u4E1C'})
    appendLowercase(text, c);
  EXPECT_EQ(text, "ai\u0307\u03C3\u00DF\u01C6\u4E1C");
}

TEST(Unicode, Normalizes) {
  EXPECT_EQ(normalized(UnicodeForm::Nfc, "e\u0301"), "\u00E9");
  EXPECT_EQ(normalized(UnicodeForm::Nfd, "\u1E9B\u0323"), "\u017F\u0323\u0307");
  EXPECT_EQ(normalized(UnicodeForm::Nfkc, "\uFB01 \u2460"), "fi 1");
  EXPECT_EQ(normalized(UnicodeForm::Nfkd, "\uAC00"), "\u1100\u1161");
  EXPECT_EQ(normalized(UnicodeForm::Nfkc, "\u32FF"), "\u32FF"); // younger than Unicode 11
}

TEST(ByteLevelAlphabet, IsABijection) {
  for (int byte = 0; byte < 256; ++byte) {
    std::string text, bytes(1, static_cast<char>(byte));
    appendByteLevel(text, bytes);
    EXPECT_EQ(bytesOfByteLevel(text), bytes);
  }
  EXPECT_TRUE(byteLevelCharacter(' ') == U'\u0120');
  EXPECT_TRUE(byteLevelCharacter('\n') == U'\u010A');
  EXPECT_TRUE(byteLevelCharacter(0xAD) == U'\u0143');
  EXPECT_EQ(bytesOfByteLevel("a b"), std::nullopt);
}

} // namespace
} // namespace llmc::text
