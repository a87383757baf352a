//===- sentencepiece_model_test.cpp - tokenizers of .model files -----------===//

#include "frontend/tokenizer/SentencePieceModel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include "frontend/tokenizer/sentencepiece.pb.h"
#include "runtime/text/Tokenizer.h"
#include "runtime/text/Unicode.h"
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

TEST_P(Layout, PlacesTokensInTheText) {
  const std::string file = readTestFile(absl::StrCat("layouts/", GetParam(), ".model"));
  auto tokenizer = make({"tokenizer.model", file, GetParam(), {R"({"legacy": false})", {}, {}}, {}});
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  size_t placedTokens = 0;
  const auto cases = text::readTestJson("sentencepiece_layouts.json")[GetParam()];
  for (const auto &row : cases) {
    const auto text = row["text"].get<std::string>();
    if (row.contains("pair") || !text::isValidUtf8(text))
      continue;
    const absl::string_view texts[] = {text};
    auto placed = (*tokenizer)->place(texts);
    ASSERT_TRUE(placed.ok()) << placed.status();
    ASSERT_EQ(placed->size(), row["ids"].size()) << row.dump();
    size_t end = 0; // of the tokens so far
    for (size_t i = 0; i < placed->size(); ++i) {
      const text::PlacedToken &token = (*placed)[i];
      EXPECT_EQ(token.id, row["ids"][i].get<int32_t>());
      if (token.text < 0 || token.bytes.begin == token.bytes.end)
        continue;
      EXPECT_GE(token.bytes.end, end) << row.dump() << " token " << i;
      end = token.bytes.end;
      // Where nothing was normalized, the place holds what the token says.
      absl::string_view said = (*tokenizer)->tokenText(token.id);
      while (absl::ConsumePrefix(&said, "\u2581")) {
      }
      const absl::string_view found =
          absl::string_view(text).substr(token.bytes.begin, token.bytes.end - token.bytes.begin);
      if (found.size() == said.size() &&
          std::all_of(found.begin(), found.end(), [](char c) { return c > 0; })) {
        EXPECT_EQ(found, said) << row.dump() << " token " << i;
        ++placedTokens;
      }
    }
  }
  EXPECT_GT(placedTokens, 20U);
}

INSTANTIATE_TEST_SUITE_P(Classes, Layout,
                         testing::Values("T5Tokenizer", "XLMRobertaTokenizer", "LlamaTokenizer",
                                         "GemmaTokenizer"));

/// A Unigram model of a few pieces.
Model smallModel() {
  Model model;
  auto add = [&](const char *piece, float score, Model::Piece::Type type) {
    Model::Piece &added = *model.add_pieces();
    added.set_piece(piece);
    added.set_score(score);
    added.set_type(type);
  };
  add("<unk>", 0, Model::Piece::UNKNOWN);
  add("<s>", 0, Model::Piece::CONTROL);
  add("</s>", 0, Model::Piece::CONTROL);
  add("\u2581", -3, Model::Piece::NORMAL);
  add("a", -2, Model::Piece::NORMAL);
  add("\u2581a", -2.5, Model::Piece::NORMAL);
  add("b", -4, Model::Piece::NORMAL);
  return model;
}

TEST(SentencePieceModel, FindsTheMostLikelyPieces) {
  const std::string file = smallModel().SerializeAsString();
  auto tokenizer = make({"m.model", file, "", {}, {}});
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_THAT(*(*tokenizer)->encode("  a  b a"), ElementsAre(5, 3, 6, 5));
  // Unknown characters that follow each other are one token.
  EXPECT_THAT(*(*tokenizer)->encode("acdeb"), ElementsAre(5, 0, 6));
  EXPECT_THAT(*(*tokenizer)->encode(""), ElementsAre());
  EXPECT_EQ((*tokenizer)->decode({5, 3, 6, 5}), "a b a");
  // The text of a control piece stands for it, unless it comes from a stranger.
  EXPECT_THAT(*(*tokenizer)->encode("<s>a"), ElementsAre(1, 5));
  EXPECT_THAT(*(*tokenizer)->encode("<s>a", {true, /*parseSpecial=*/false}), ElementsAre(3, 0, 4));
}

TEST(SentencePieceModel, MayHaveNothingButTheUnknownPiece) {
  Model model = smallModel();
  model.mutable_pieces()->DeleteSubrange(1, model.pieces_size() - 1);
  const std::string file = model.SerializeAsString();
  auto tokenizer = make({"m.model", file, "", {}, {}});
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_THAT(*(*tokenizer)->encode("ab c"), ElementsAre(0));
}

TEST(SentencePieceModel, ConfigFilesAddTokens) {
  Model model = smallModel();
  const std::string file = model.SerializeAsString();
  auto tokenizer = make({"m.model",
                         file,
                         "LlamaTokenizer",
                         {R"({"added_tokens_decoder": {"7": {"content": "<tool>", "special": true}},
                              "eos_token": "<tool>", "add_prefix_space": false})",
                          {},
                          {}},
                         R"({"<pad>": 8})"});
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_THAT(*(*tokenizer)->encode("a<tool>b<pad>"), ElementsAre(1, 4, 7, 6, 8));
  EXPECT_TRUE((*tokenizer)->isStop(7) && (*tokenizer)->isSpecial(7) && !(*tokenizer)->isSpecial(8));
  EXPECT_THAT(
      std::string(make({"m.model", file, "LlamaTokenizer", {}, R"({"<pad>": 5})"}).status().message()),
      HasSubstr("added_tokens.json: <pad>: '<pad>' has id 5 here, which disagrees with the vocabulary"));
}

TEST(SentencePieceModel, SaysWhatIsWrong) {
  auto message = [](auto change, const char *tokenizerClass = "") {
    Model model = smallModel();
    change(model);
    const std::string file = model.SerializeAsString();
    return std::string(
        importSentencePieceModel({"m.model", file, tokenizerClass, {}, {}}).status().message());
  };
  EXPECT_EQ(message([](Model &) {}), "");
  EXPECT_EQ(std::string(importSentencePieceModel({"m.model", "\xFF", "", {}, {}}).status().message()),
            "m.model: is not a SentencePiece model");
  EXPECT_EQ(message([](Model &m) { m.clear_pieces(); }), "m.model: there are no pieces");
  EXPECT_EQ(message([](Model &m) { m.mutable_pieces(4)->clear_piece(); }), "m.model: piece 4 is empty");
  EXPECT_EQ(message([](Model &m) { m.mutable_pieces(4)->set_piece("\xC3"); }),
            "m.model: piece 4 is not UTF-8");
  EXPECT_EQ(message([](Model &m) { m.mutable_pieces(4)->set_piece(std::string("a\0", 2)); }),
            "m.model: piece 4 has a zero byte, which is not supported");
  EXPECT_EQ(message([](Model &m) { m.mutable_pieces(4)->set_score(NAN); }),
            "m.model: piece 4 'a' has the score nan, expected a number below 1e30");
  EXPECT_EQ(message([](Model &m) { m.mutable_pieces(6)->set_piece("a"); }),
            "m.model: pieces 4 and 6 are both 'a'");
  EXPECT_EQ(message([](Model &m) { m.mutable_pieces(0)->set_type(Model::Piece::CONTROL); }),
            "m.model: 0 pieces are of type unknown, expected one");
  EXPECT_EQ(message([](Model &m) { m.mutable_pieces(4)->set_type(Model::Piece::BYTE); }),
            "m.model: piece 4 'a' is of type byte, but is not like <0x2A>");
  EXPECT_EQ(message([](Model &m) { m.mutable_trainer_spec()->set_byte_fallback(true); }),
            "m.model: 0 pieces are of type byte, expected 256 for byte_fallback");
  EXPECT_EQ(message([](Model &m) { m.mutable_normalizer_spec()->set_precompiled_charsmap("ab"); }),
            "m.model: precompiled_charsmap: has 2 bytes, expected at least 4");
  EXPECT_EQ(message([](Model &m) { m.mutable_normalizer_spec()->set_precompiled_charsmap("abcdefgh"); }),
            "m.model: precompiled_charsmap: its double array has 1684234849 bytes, expected a multiple of 4 "
            "below 4");
  EXPECT_EQ(
      message([](Model &m) { m.mutable_trainer_spec()->set_model_type(sentencepiece::Trainer::WORD); }),
      "m.model: trainer_spec.model_type is WORD, which is not supported; supported are UNIGRAM and BPE");
  EXPECT_EQ(message([](Model &m) { m.mutable_trainer_spec()->set_treat_whitespace_as_suffix(true); }),
            "m.model: trainer_spec.treat_whitespace_as_suffix is not supported");
  auto makeBpe = [](Model &m) { m.mutable_trainer_spec()->set_model_type(sentencepiece::Trainer::BPE); };
  EXPECT_EQ(message(makeBpe), "");
  EXPECT_EQ(message([&](Model &m) {
              makeBpe(m);
              m.mutable_pieces(6)->set_piece("bc");
            }),
            "m.model: piece 6 'bc' has the character 'b', which is no piece; this is not supported in BPE");
  EXPECT_EQ(message([&](Model &m) {
              makeBpe(m);
              m.mutable_pieces(6)->set_type(Model::Piece::UNUSED);
            }),
            "m.model: piece 6 'b' is of type unused, which is not supported in BPE");
  EXPECT_EQ(message([](Model &m) { m.mutable_pieces(1)->set_piece("<x>"); }, "XLMRobertaTokenizer"),
            "m.model: piece 1 is '<x>', expected '<s>' for XLMRobertaTokenizer");
  EXPECT_EQ(message([](Model &m) { m.mutable_pieces(2)->set_piece("<x>"); }, "T5Tokenizer"),
            "m.model: there is no piece '</s>'");
}

} // namespace
} // namespace llmc::tokenizer
