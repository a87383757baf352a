//===- gguf_tokenizer_test.cpp - tokenizers of GGUF files ------------------===//

#include "frontend/tokenizer/GgufTokenizer.h"

#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

#include "frontend/tokenizer/SentencePieceModel.h"
#include "frontend/tokenizer/TokenizerJson.h"
#include "frontend/tokenizer/sentencepiece.pb.h"
#include "runtime/text/Tokenizer.h"
#include "test/unit/text/MixedText.h"

namespace llmc::tokenizer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using text::readTestJson;

/// What a converter writes for a tokenizer.json of byte-level BPE.
GgufTokenizerFields fieldsOf(const std::string &name, const char *pre) {
  auto json = readTestJson(name + ".tokenizer.json");
  GgufTokenizerFields fields;
  fields.model = "gpt2";
  fields.pre = pre;
  auto put = [&](const std::string &token, size_t id, int32_t type) {
    fields.tokens.resize(std::max(fields.tokens.size(), id + 1));
    fields.tokenTypes.resize(fields.tokens.size(), 1);
    fields.tokens[id] = token;
    fields.tokenTypes[id] = type;
  };
  for (auto &[token, id] : json["model"]["vocab"].items())
    put(token, id, 1);
  for (auto &token : json["added_tokens"])
    put(token["content"], token["id"], token["special"].get<bool>() ? 3 : 4);
  for (auto &merge : json["model"]["merges"])
    fields.merges.push_back(merge[0].get<std::string>() + " " + merge[1].get<std::string>());
  return fields;
}

std::unique_ptr<text::Tokenizer> make(const GgufTokenizerFields &fields) {
  auto model = importGgufTokenizer(fields);
  EXPECT_TRUE(model.ok()) << model.status();
  auto tokenizer = text::Tokenizer::create(*model);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return *std::move(tokenizer);
}

TEST(GgufTokenizer, EncodesLikeTheTokenizerJsonItCameFrom) {
  GgufTokenizerFields fields = fieldsOf("llama3", "llama-bpe");
  fields.bosId = 0;
  auto tokenizer = make(fields);
  auto cases = readTestJson("tokenizer_cases.json");
  for (auto &row : cases["llama3"]) {
    if (row.contains("pair"))
      continue;
    auto ids =
        tokenizer->encode(row["text"].get<std::string>(), {row.value("add", true), row.value("parse", true)});
    ASSERT_TRUE(ids.ok()) << ids.status();
    EXPECT_EQ(*ids, row["ids"].get<std::vector<int32_t>>()) << row.dump();
  }
}

TEST(GgufTokenizer, NamesStandForThePatternsOfTheirModels) {
  const std::pair<const char *, const char *> names[] = {{"dbrx", "mixed/phi4"}, // Phi-4
                                                         {"gpt-4o", "mixed/o200k"},
                                                         {"tekken", "mixed/tekken"},
                                                         {"llama-bpe", "mixed/llama3-pattern"}};
  for (auto [pre, file] : names) {
    GgufTokenizerFields fields = fieldsOf(file, pre);
    const std::string json = text::readTestFile(std::string(file) + ".tokenizer.json");
    auto model = importTokenizerJson({json, {}});
    ASSERT_TRUE(model.ok()) << model.status();
    auto tokenizer = make(fields);
    auto original = text::Tokenizer::create(*model);
    text::MixedText text;
    for (int i = 0; i < 300; ++i) {
      const std::string line = text.line();
      ASSERT_EQ(*tokenizer->encode(line), *(*original)->encode(line)) << pre << ", line " << i;
    }
  }
}

TEST(GgufTokenizer, DigitsStandAloneInSmollm) {
  auto tokenizer = make(fieldsOf("digits", "smollm"));
  auto ids = tokenizer->encode("abc 12345");
  ASSERT_TRUE(ids.ok());
  for (int32_t id : *ids)
    EXPECT_LT(std::count_if(tokenizer->tokenText(id).begin(), tokenizer->tokenText(id).end(), isdigit), 2);
  EXPECT_EQ(tokenizer->decode(*ids), "abc 12345");
}

GgufTokenizerFields sentencePieceFields() {
  auto json = readTestJson("sentencepiece_cases.json");
  GgufTokenizerFields fields;
  fields.model = "llama";
  fields.tokens = json["tokens"].get<std::vector<std::string>>();
  fields.scores = json["scores"].get<std::vector<double>>();
  fields.tokenTypes = json["types"].get<std::vector<int32_t>>();
  fields.unkId = 0;
  fields.bosId = 1;
  fields.eosId = 2;
  return fields;
}

TEST(GgufTokenizer, EncodesLikeSentencePiece) {
  auto tokenizer = make(sentencePieceFields());
  auto cases = readTestJson("sentencepiece_cases.json");
  for (auto &row : cases["cases"]) {
    auto text = row["text"].get<std::string>();
    auto expected = row["ids"].get<std::vector<int32_t>>();
    auto ids = tokenizer->encode(text, {/*addSpecialTokens=*/false});
    ASSERT_TRUE(ids.ok()) << ids.status();
    EXPECT_EQ(*ids, expected) << text;
    EXPECT_EQ(tokenizer->decode(*ids), text);
    expected.insert(expected.begin(), 1);
    EXPECT_EQ(*tokenizer->encode(text), expected) << text;
  }
  EXPECT_TRUE(tokenizer->isStop(2));
}

// The merges are those of trying every cut, and in their order.
TEST(GgufTokenizer, SentencePieceMergesAreTheCutsIntoTokens) {
  GgufTokenizerFields fields = sentencePieceFields();
  // Many cuts a token, repeated texts, tokens of nothing, and characters of several bytes.
  for (const char *token : {"a", "aa", "aaa", "aaaa", "aaaaa", "aaaaaa", "aaa", "", "\u00E9a\u00E9",
                            "\u00E9a", "\u00E9", "a\u00E9", "aba", "ab", "ba"}) {
    fields.tokens.push_back(token);
    fields.scores.push_back(-2.0 * fields.tokens.size());
    fields.tokenTypes.push_back(1);
  }
  auto model = importGgufTokenizer(fields);
  ASSERT_TRUE(model.ok()) << model.status();
  const text::BytePairEncodingModel &found = model->byte_pair_encoding();
  std::map<std::string, uint32_t> idOf;
  for (uint32_t id = 0; id < fields.tokens.size(); ++id)
    if (!fields.tokens[id].empty())
      idOf.try_emplace(fields.tokens[id], id);
  int at = 0;
  std::set<uint32_t> merged;
  for (; at < found.merged_size() && merged.insert(found.merged(at)).second;) {
    const uint32_t id = found.merged(at);
    const std::string &token = fields.tokens[id];
    for (size_t cut = 1; cut < token.size(); ++cut) {
      auto left = idOf.find(token.substr(0, cut)), right = idOf.find(token.substr(cut));
      if (left == idOf.end() || right == idOf.end())
        continue;
      ASSERT_LT(at, found.merged_size());
      EXPECT_EQ(found.merged(at), id) << token << " lacks a cut";
      EXPECT_EQ(found.left(at), left->second) << token;
      EXPECT_EQ(found.right(at), right->second) << token;
      ++at;
    }
  }
  EXPECT_EQ(at, found.merged_size());
  for (const auto &[token, id] : idOf) {
    bool cuts = false;
    for (size_t cut = 1; cut < token.size(); ++cut)
      cuts |= idOf.count(token.substr(0, cut)) && idOf.count(token.substr(cut));
    if (fields.tokenTypes[id] == 1)
      EXPECT_EQ(merged.count(id), cuts ? 1u : 0u) << token;
  }
}

// Trying every cut of these by its text would hash 128 GiB.
TEST(GgufTokenizer, LongTokensTakeNoLongerThanTheirBytes) {
  constexpr size_t longest = 64 << 10;
  GgufTokenizerFields fields;
  fields.model = "llama";
  for (size_t i = 0; i < 32; ++i)
    fields.tokens.push_back(std::string(longest - i, 'a'));
  fields.tokens.push_back("a");
  fields.scores.assign(fields.tokens.size(), 0);
  fields.tokenTypes.assign(fields.tokens.size(), 1);
  auto model = importGgufTokenizer(fields);
  ASSERT_TRUE(model.ok()) << model.status();
  // a^n = a^(n - 1) a = a a^(n - 1), but for the shortest.
  EXPECT_EQ(model->byte_pair_encoding().merged_size(), 2 * 31);
  fields.tokens[1] += "aa";
  EXPECT_EQ(importGgufTokenizer(fields).status().message(),
            "tokenizer.ggml.tokens: token 1 has 65537 bytes, at most 65536 are supported");
}

TEST(GgufTokenizer, SentencePieceWithoutSpacePrefix) {
  GgufTokenizerFields fields = sentencePieceFields();
  fields.addSpacePrefix = fields.addBos = false;
  auto tokenizer = make(fields);
  auto ids = tokenizer->encode("the");
  ASSERT_TRUE(ids.ok()) << ids.status();
  EXPECT_EQ(tokenizer->tokenText((*ids)[0]), "t");
  EXPECT_EQ(tokenizer->decode(*tokenizer->encode(" the")), " the");
}

TEST(GgufTokenizer, SentencePieceNeedsScores) {
  auto error = [](auto change) {
    GgufTokenizerFields fields = sentencePieceFields();
    change(fields);
    return std::string(importGgufTokenizer(fields).status().message());
  };
  EXPECT_THAT(error([](auto &f) { f.scores.clear(); }), HasSubstr("tokenizer.ggml.scores: is missing"));
  EXPECT_EQ(error([](auto &f) { f.scores.pop_back(); }),
            "tokenizer.ggml.scores: has 699 entries for 700 tokens");
  EXPECT_THAT(error([](auto &f) { f.scores[5] = NAN; }), HasSubstr("scores: has an entry that is not"));
  EXPECT_THAT(error([](auto &f) { f.tokenTypes.clear(); }), HasSubstr("token_type: is missing"));
}

/// What a converter writes for the Unigram model of the tests of mixed text.
GgufTokenizerFields unigramFields() {
  sentencepiece::Model model;
  EXPECT_TRUE(model.ParseFromString(text::readTestFile("mixed/unigram.model")));
  GgufTokenizerFields fields;
  fields.model = "t5";
  for (const sentencepiece::Model::Piece &piece : model.pieces()) {
    fields.tokens.push_back(piece.piece());
    fields.scores.push_back(piece.score());
    fields.tokenTypes.push_back(piece.type());
  }
  fields.precompiledCharsmap = model.normalizer_spec().precompiled_charsmap();
  fields.bosId = 1;
  fields.eosId = 2;
  return fields;
}

TEST(GgufTokenizer, UnigramEncodesLikeTheModelItCameFrom) {
  auto tokenizer = make(unigramFields());
  const std::string file = text::readTestFile("mixed/unigram.model");
  auto model = importSentencePieceModel({"unigram.model", file, "", {}, {}});
  ASSERT_TRUE(model.ok()) << model.status();
  auto original = text::Tokenizer::create(*model);
  ASSERT_TRUE(original.ok()) << original.status();
  text::MixedText text;
  for (int i = 0; i < 300; ++i) {
    const std::string line = text.line();
    auto expected = *(*original)->encode(line);
    expected.push_back(2);
    EXPECT_EQ(*tokenizer->encode(line), expected);
  }
}

TEST(GgufTokenizer, UnigramAddsTokensAsItsFamilyDoes) {
  GgufTokenizerFields fields = unigramFields();
  EXPECT_THAT(*make(fields)->encodePair("", ""), ElementsAre(2, 2)); // T5
  fields.addBos = true;
  EXPECT_THAT(*make(fields)->encodePair("", ""), ElementsAre(1, 2, 2, 2)); // XLM-RoBERTa
}

TEST(GgufTokenizer, UnigramNeedsScoresAndTypes) {
  auto error = [](auto change) {
    GgufTokenizerFields fields = unigramFields();
    change(fields);
    return std::string(importGgufTokenizer(fields).status().message());
  };
  EXPECT_EQ(error([](auto &f) { f.scores.clear(); }),
            "tokenizer.ggml.scores: is missing; a tokenizer of model 't5' needs it");
  EXPECT_EQ(error([](auto &f) { f.tokenTypes.clear(); }),
            "tokenizer.ggml.token_type: is missing; a tokenizer of model 't5' needs it");
  EXPECT_EQ(error([](auto &f) { f.tokenTypes[4] = 7; }),
            "tokenizer.ggml.token_type: entry 4 is 7, expected 1 to 6");
  EXPECT_EQ(error([](auto &f) { f.tokens[4] = f.tokens[5]; }),
            absl::StrCat("tokenizer.ggml.tokens: pieces 4 and 5 are both '", unigramFields().tokens[5], "'"));
  EXPECT_EQ(error([](auto &f) { f.precompiledCharsmap = "ab"; }),
            "tokenizer.ggml.precompiled_charsmap: has 2 bytes, expected at least 4");
}

TEST(GgufTokenizer, UndoesThePhantomSpacesOfBert) {
  GgufTokenizerFields fields;
  fields.model = "bert";
  fields.tokens = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "\u2581un", "aff", "able", "\u2581,", "\u2581able"};
  fields.tokenTypes = {3, 2, 3, 3, 1, 1, 1, 1, 1};
  fields.bosId = 2;
  fields.sepId = 3;
  auto tokenizer = make(fields);
  EXPECT_THAT(*tokenizer->encode("Unaffable, \u00E0ble x"), ElementsAre(2, 4, 5, 6, 7, 8, 1, 3));
  EXPECT_THAT(*tokenizer->encodePair("un", "able"), ElementsAre(2, 4, 3, 8, 3));
  EXPECT_EQ(tokenizer->tokenText(5), "##aff");
}

TEST(GgufTokenizer, AddsTokensAsTheFileSays) {
  GgufTokenizerFields fields = fieldsOf("llama3", "qwen2");
  fields.bosId = 0;
  fields.eosId = 1;
  EXPECT_THAT(*make(fields)->encode(""), ElementsAre());
  fields.addBos = fields.addEos = true;
  EXPECT_THAT(*make(fields)->encode(""), ElementsAre(0, 1));
  fields.eotId = 5;
  auto tokenizer = make(fields);
  EXPECT_TRUE(tokenizer->isStop(1) && tokenizer->isStop(5) && !tokenizer->isStop(0));
}

TEST(GgufTokenizer, RefusesByName) {
  auto error = [](auto change) {
    GgufTokenizerFields fields = fieldsOf("llama3", "llama-bpe");
    change(fields);
    return std::string(importGgufTokenizer(fields).status().message());
  };
  EXPECT_EQ(error([](auto &) {}), "");
  EXPECT_EQ(
      error([](auto &f) { f.model = "rwkv"; }),
      "tokenizer.ggml.model: tokenizer 'rwkv' is not supported; supported are gpt2 (byte-level BPE), llama "
      "(BPE of SentencePiece), t5 (Unigram of SentencePiece) and bert (WordPiece)");
  EXPECT_THAT(
      error([](auto &f) { f.pre = "viking"; }),
      HasSubstr(
          "tokenizer.ggml.pre: pre-tokenizer 'viking' is not supported; supported are default, gpt-2, "));
  // What the file says is shown on one line.
  EXPECT_THAT(error([](auto &f) { f.model = "a\nb"; }), HasSubstr("tokenizer 'a\\nb' is not supported"));
  EXPECT_THAT(error([](auto &f) { f.pre = "\x1B[2J"; }), HasSubstr("pre-tokenizer '\\x1b[2J' is not"));
  EXPECT_THAT(error([](auto &f) { f.merges[0] = "a\rb"; }), HasSubstr("merge 0 is 'a\\rb', expected"));
  EXPECT_THAT(error([](auto &f) { f.merges[0] = "a \n"; }), HasSubstr("merge 'a \\n': '\\n' is not in the"));
  EXPECT_EQ(error([](auto &f) { f.tokens.clear(); }), "tokenizer.ggml.tokens: is missing or empty");
  EXPECT_THAT(error([](auto &f) { f.tokenTypes.pop_back(); }), HasSubstr("tokenizer.ggml.token_type: has "));
  EXPECT_THAT(error([](auto &f) { f.eosId = 1000000; }),
              HasSubstr("tokenizer.ggml.eos_token_id: is 1000000, but"));
  EXPECT_THAT(error([](auto &f) { f.merges[0] = "ab"; }),
              HasSubstr("tokenizer.ggml.merges: merge 0 is 'ab'"));
  EXPECT_THAT(error([](auto &f) { f.merges[0] = "a \u4E1C"; }),
              HasSubstr("'\u4E1C' is not in the vocabulary"));
  EXPECT_EQ(error([](auto &f) { f.tokens[4] = "\xFF"; }), "tokenizer.ggml.tokens: token 4 is not UTF-8");
  EXPECT_EQ(error([](auto &f) { f.chatTemplate = "\xFF"; }), "tokenizer.chat_template: is not UTF-8");
  EXPECT_EQ(error([](auto &f) { f.chatTemplate = "{% for m in messages %}"; }),
            "tokenizer.chat_template: line 1: the template ends, but the block of line 1 needs else or "
            "endfor; mend the chat template, or remove it");
}

} // namespace
} // namespace llmc::tokenizer
