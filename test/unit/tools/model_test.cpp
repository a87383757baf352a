#include "tools/llmc/Model.h"

#include "runtime/text/tokenizer.pb.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace llmc::tool {
namespace {

std::string messageFor(const std::string &tokenizer) {
  runtime::Manifest manifest;
  manifest.set_tokenizer(tokenizer);
  return std::string(loadTokenizer(manifest, "model.llmc").status().message());
}

TEST(Model, SaysWhatIsWrongWithATokenizer) {
  EXPECT_EQ(messageFor(""), "model.llmc: has no tokenizer, only token ids can be given to it");
  EXPECT_EQ(messageFor("\xff"), "model.llmc: tokenizer: is not a valid protobuf message");
  text::TokenizerModel empty;
  empty.set_algorithm(text::TokenizerModel::WORD_PIECE);
  EXPECT_THAT(messageFor(empty.SerializeAsString()), testing::StartsWith("model.llmc: tokenizer: "));
}

} // namespace
} // namespace llmc::tool
