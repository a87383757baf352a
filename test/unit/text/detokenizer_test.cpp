//===- detokenizer_test.cpp - whole characters only ------------------------===//

#include "runtime/text/Detokenizer.h"

#include <gtest/gtest.h>

#include "runtime/text/ByteLevelAlphabet.h"

namespace llmc::text {
namespace {

std::string visible(absl::string_view bytes) {
  std::string text;
  appendByteLevel(text, bytes);
  return text;
}

Decoder byteLevel() {
  Decoder decoder;
  decoder.mutable_byte_level();
  return decoder;
}

TEST(Detokenizer, HoldsBytesUntilTheCharacterIsWhole) {
  Decoder decoder = byteLevel();
  Detokenizer detokenizer(decoder);
  EXPECT_EQ(detokenizer.push(visible("a\xF0")), "a");
  EXPECT_EQ(detokenizer.push(visible("\x9F")), "");
  EXPECT_EQ(detokenizer.push(visible("\x98")), "");
  EXPECT_EQ(detokenizer.push(visible("\x80 b")), "\U0001F600 b");
  EXPECT_EQ(detokenizer.finish(), "");
}

TEST(Detokenizer, ReplacesWhatCannotBecomeACharacter) {
  Decoder decoder = byteLevel();
  Detokenizer detokenizer(decoder);
  EXPECT_EQ(detokenizer.push(visible("\xE2\x82")), "");
  EXPECT_EQ(detokenizer.push(visible("x\xFF\x80y")), "\uFFFDx\uFFFD\uFFFDy");
  EXPECT_EQ(detokenizer.push(visible("\xED\xA0\x80")), "\uFFFD\uFFFD\uFFFD"); // a surrogate
  EXPECT_EQ(detokenizer.push(visible("\xF0\x9F\x98")), "");
  EXPECT_EQ(detokenizer.finish(), "\uFFFD");
  EXPECT_EQ(detokenizer.finish(), "");
}

TEST(Detokenizer, TakesTokensOutsideTheAlphabetAsText) {
  Decoder decoder = byteLevel();
  Detokenizer detokenizer(decoder);
  EXPECT_EQ(detokenizer.push("<tool call>\u4E1C"), "<tool call>\u4E1C");
}

TEST(Detokenizer, JoinsWordPieces) {
  Decoder decoder;
  decoder.mutable_word_piece()->set_prefix("##");
  decoder.mutable_word_piece()->set_cleanup(true);
  Detokenizer detokenizer(decoder);
  std::string text;
  for (const char *token : {"##un", "##aff", "able", ",", "n't", "do"})
    text += detokenizer.push(token);
  EXPECT_EQ(text + detokenizer.finish(), "##unaff able,n't do");
}

TEST(Detokenizer, JudgesRunsOfByteTokensAsAWhole) {
  Decoder decoder;
  decoder.mutable_pieces()->set_marker("\u2581");
  decoder.mutable_pieces()->set_byte_fallback(true);
  decoder.mutable_pieces()->set_strip_left(1);
  Detokenizer detokenizer(decoder);
  EXPECT_EQ(detokenizer.push("\u2581"), "");
  EXPECT_EQ(detokenizer.push("\u2581Hi"), " Hi");
  EXPECT_EQ(detokenizer.push("<0xE2>"), "");
  EXPECT_EQ(detokenizer.push("<0x82>"), "");
  EXPECT_EQ(detokenizer.push("<0xAC>"), "");
  EXPECT_EQ(detokenizer.push("\u2581x"), "\u20AC x");
  EXPECT_EQ(detokenizer.push("<0x41>"), "");
  EXPECT_EQ(detokenizer.push("<0xE2>"), "");
  EXPECT_EQ(detokenizer.finish(), "\uFFFD\uFFFD");
}

TEST(Detokenizer, KnowsTheBytesOfSingleTokens) {
  EXPECT_EQ(bytesOfToken(byteLevel(), visible(" \xF0"), TokenPlace::Start), " \xF0");
  Decoder pieces;
  pieces.mutable_pieces()->set_marker("_");
  pieces.mutable_pieces()->set_byte_fallback(true);
  pieces.mutable_pieces()->set_strip_left(1);
  EXPECT_EQ(bytesOfToken(pieces, "<0xC3>", TokenPlace::Inside), "\xC3");
  EXPECT_EQ(bytesOfToken(pieces, "__a_", TokenPlace::Inside), "  a ");
  EXPECT_EQ(bytesOfToken(pieces, "__a_", TokenPlace::Start), " a ");
  EXPECT_EQ(bytesOfToken(pieces, "_", TokenPlace::Start), "");
  Decoder metaspace;
  metaspace.mutable_metaspace()->set_marker("_");
  metaspace.mutable_metaspace()->set_drop_first(true);
  EXPECT_EQ(bytesOfToken(metaspace, "_a", TokenPlace::Start), "a");
  EXPECT_EQ(bytesOfToken(metaspace, "_a", TokenPlace::Inside), " a");
  Decoder words;
  words.mutable_word_piece()->set_prefix("##");
  EXPECT_EQ(bytesOfToken(words, "a", TokenPlace::Inside), " a");
  EXPECT_EQ(bytesOfToken(words, "##a", TokenPlace::Inside), "a");
}

} // namespace
} // namespace llmc::text
