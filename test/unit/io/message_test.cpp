#include "runtime/io/Message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace llmc::io {
namespace {

TEST(MessageTest, QuotedTextStaysOnOneLine) {
  EXPECT_EQ(quote("blk.0.attn_q"), "'blk.0.attn_q'");
  EXPECT_EQ(quote(""), "''");
  EXPECT_EQ(quote("a\nb\x1b[31m"), "'a\\nb\\x1b[31m'");
  EXPECT_EQ(quote("say \"hi\""), "'say \"hi\"'");
  EXPECT_EQ(quote("it's"), "'it\\'s'");
  EXPECT_EQ(quote("Ġgrün €"), "'Ġgrün €'");
}

TEST(MessageTest, InvalidUtf8IsEscaped) {
  EXPECT_EQ(quote("\xff"), "'\\xff'");
  EXPECT_EQ(quote("\xc3"), "'\\xc3'");
  EXPECT_EQ(quote("\xc0\xaf"), "'\\xc0\\xaf'");          // overlong
  EXPECT_EQ(quote("\xed\xa0\x80"), "'\\xed\\xa0\\x80'"); // surrogate
  EXPECT_EQ(quote("\xf4\x90\x80\x80"), "'\\xf4\\x90\\x80\\x80'");
  EXPECT_EQ(quote("\xf0\x9f\x98\x80"), "'\xf0\x9f\x98\x80'");
}

TEST(MessageTest, LongTextIsCut) {
  std::string text = quote(std::string(100000, 'a'));
  EXPECT_LT(text.size(), 130u);
  EXPECT_THAT(text, ::testing::EndsWith("aaa...' (100000 bytes)"));
}

TEST(MessageTest, ContextComesBeforeTheMessage) {
  absl::Status status = withContext("file", withContext("field", absl::NotFoundError("is missing")));
  EXPECT_EQ(status.message(), "file: field: is missing");
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(withContext("file", absl::OkStatus()).ok());
}

} // namespace
} // namespace llmc::io
