//===- sentencepiece_model_test.cpp - tokenizers of .model files -----------===//

#include "frontend/tokenizer/SentencePieceModel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

#include "frontend/tokenizer/sentencepiece.pb.h"
#include "runtime/text/Tokenizer.h"
#include "test/unit/text/TestFiles.h"

namespace llmc::tokenizer {
namespace {

using sentencepiece::Model;
using testing::ElementsAre;
using testing::HasSubstr;
using text::readTestFile;

absl::StatusOr<std::unique_ptr<text::Tokenizer>> make(const SentencePieceFiles &files) {
  absl::StatusOr<text::TokenizerModel> model = importSentencePieceModel(files);
  if (!model.ok())
    return model.status();
  return text::Tokenizer::create(*model);
}

/// A class of transformers with a model of make_sentencepiece_layouts.py.
class Layout : public testing::TestWithParam<std::string> {};

TEST_P(Layout, HasTheIdsOfTransformers) {
  const std::string file = readTestFile(absl::StrCat("layouts/", GetParam(), ".model"));
  // What the class does not know it does not read.
  auto tokenizer = make({"tokenizer.model", file, GetParam(), {R"({"legacy": false})", {}, {}}, {}});
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  auto cases = text::readTestJson("sentencepiece_layouts.json")[GetParam()];
  ASSERT_FALSE(cases.empty());
  for (const auto &row : cases) {
    const auto text = row["text"].get<std::string>();
    auto ids = row.contains("pair") ? (*tokenizer)->encodePair(text, row["pair"].get<std::string>())
                                    : (*tokenizer)->encode(text);
    ASSERT_TRUE(ids.ok()) << ids.status();
    EXPECT_EQ(*ids, row["ids"].get<std::vector<int32_t>>()) << row.dump();
  }
}

INSTANTIATE_TEST_SUITE_P(Classes, Layout,
                         testing::Values("T5Tokenizer", "XLMRobertaTokenizer", "LlamaTokenizer", "GemmaTokenizer"));

} // namespace
} // namespace llmc::tokenizer
