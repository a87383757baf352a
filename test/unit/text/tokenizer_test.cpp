//===- tokenizer_test.cpp - ids and texts against the reference library ----===//

#include "runtime/text/Tokenizer.h"

#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "frontend/tokenizer/TokenizerJson.h"
#include "runtime/text/Unicode.h"
#include "test/unit/text/TestFiles.h"

namespace llmc::text {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::unique_ptr<Tokenizer> load(const std::string &name) {
  std::string json = readTestFile(name + ".tokenizer.json");
  absl::StatusOr<TokenizerModel> model = tokenizer::importTokenizerJson({json, {}});
  if (!model.ok()) {
    ADD_FAILURE() << model.status();
    return nullptr;
  }
  // The runtime reads what was written into the artifact.
  TokenizerModel read;
  EXPECT_TRUE(read.ParseFromString(model->SerializeAsString()));
  absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = Tokenizer::create(read);
  if (!tokenizer.ok()) {
    ADD_FAILURE() << tokenizer.status();
    return nullptr;
  }
  return *std::move(tokenizer);
}

/// The cases of make_tokenizer_cases.py for one tokenizer.
class Reference : public testing::TestWithParam<std::string> {
protected:
  void SetUp() override {
    tokenizer = load(GetParam());
    ASSERT_TRUE(tokenizer);
    cases = readTestJson("tokenizer_cases.json")[GetParam()];
    ASSERT_FALSE(cases.empty());
  }

  std::unique_ptr<Tokenizer> tokenizer;
  nlohmann::ordered_json cases;
};

TEST_P(Reference, Encodes) {
  for (const auto &row : cases) {
    EncodeOptions options{row.value("add", true), row.value("parse", true)};
    auto text = row["text"].get<std::string>();
    auto ids = row.contains("pair") ? tokenizer->encodePair(text, row["pair"].get<std::string>(), options)
                                    : tokenizer->encode(text, options);
    ASSERT_TRUE(ids.ok()) << ids.status();
    EXPECT_EQ(*ids, row["ids"].get<std::vector<int32_t>>()) << row.dump();
  }
}

/// The characters [first, last + 1] of `text` that a range of its bytes holds; of white space alone where it
/// begins.
std::vector<size_t> charactersOf(absl::string_view text, ByteRange bytes) {
  auto count = [](absl::string_view part) {
    return static_cast<size_t>(std::count_if(
        part.begin(), part.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
  };
  return {count(text.substr(0, bytes.begin)), count(text.substr(0, bytes.end))};
}

TEST_P(Reference, PlacesTokensInTheText) {
  const auto offsets = readTestJson("tokenizer_offsets.json")[GetParam()];
  size_t next = 0;
  for (const auto &row : cases) {
    if (row.contains("add") || row.contains("parse") || row.contains("pair"))
      continue;
    const auto &expected = offsets[next++];
    if (expected.is_null())
      continue;
    const auto text = row["text"].get<std::string>();
    const absl::string_view texts[] = {text};
    auto placed = tokenizer->place(texts);
    ASSERT_TRUE(placed.ok()) << placed.status();
    ASSERT_EQ(placed->size(), expected.size()) << row.dump();
    for (size_t i = 0; i < placed->size(); ++i) {
      const PlacedToken &token = (*placed)[i];
      EXPECT_EQ(token.id, row["ids"][i].get<int32_t>());
      if (expected[i].is_null()) {
        EXPECT_EQ(token.bytes.begin, token.bytes.end) << row.dump();
        continue;
      }
      EXPECT_EQ(token.text, 0);
      const std::vector<size_t> found = charactersOf(text, token.bytes);
      // Of white space alone, libraries do not agree on where nothing lies.
      if (expected[i][0] == expected[i][1])
        EXPECT_EQ(found[0], found[1]) << row.dump() << " token " << i;
      else
        EXPECT_EQ(found, expected[i].get<std::vector<size_t>>()) << row.dump() << " token " << i;
    }
  }
}

TEST_P(Reference, Decodes) {
  for (const auto &row : cases) {
    if (row.contains("add") || row.contains("parse") || row.contains("pair"))
      continue;
    auto ids = row["ids"].get<std::vector<int32_t>>();
    auto text = row["text"].get<std::string>();
    EXPECT_EQ(tokenizer->decode(ids), row.value("decoded", text)) << row.dump();
    EXPECT_EQ(tokenizer->decode(ids, DecodeSpecial::Keep), row.value("decoded_keep", text)) << row.dump();
  }
}

TEST_P(Reference, StreamsWholeCharacters) {
  for (const auto &row : cases) {
    auto ids = row["ids"].get<std::vector<int32_t>>();
    StreamingDetokenizer stream(*tokenizer, DecodeSpecial::Keep);
    std::string text;
    for (int32_t id : ids) {
      std::string part = stream.push(id);
      EXPECT_TRUE(isValidUtf8(part)) << row.dump();
      text += part;
    }
    text += stream.finish();
    EXPECT_EQ(text, tokenizer->decode(ids, DecodeSpecial::Keep));
  }
}

INSTANTIATE_TEST_SUITE_P(Pipelines, Reference,
                         testing::Values("gpt2", "digits", "llama3", "falcon", "pieces", "metaspace-first",
                                         "metaspace-always", "clip", "prefix", "bert", "bert-cased", "folded",
                                         "merged-with-previous", "merged-with-next", "contiguous"),
                         [](const auto &parameter) {
                           std::string name = parameter.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(Tokenizer, BrokenUtf8CountsAsReplacementCharacters) {
  auto tokenizer = load("gpt2");
  ASSERT_TRUE(tokenizer);
  auto broken = tokenizer->encode("a\xC3 b\xE2\x82"), repaired = tokenizer->encode("a\uFFFD b\uFFFD");
  ASSERT_TRUE(broken.ok() && repaired.ok());
  EXPECT_EQ(*broken, *repaired);
}

TEST(Tokenizer, PlacesComposedCharactersAndPairs) {
  auto tokenizer = load("bert");
  ASSERT_TRUE(tokenizer);
  // The accents go, and belong to what stays; a ligature stays one.
  const absl::string_view texts[] = {"e\u0301e\u0301 fox", "dog"};
  auto placed = tokenizer->place(texts);
  ASSERT_TRUE(placed.ok()) << placed.status();
  std::vector<std::vector<size_t>> places;
  std::vector<int32_t> types, which;
  for (const PlacedToken &token : *placed) {
    types.push_back(token.type);
    which.push_back(token.text);
    places.push_back({token.bytes.begin, token.bytes.end});
  }
  // [CLS] e ##e f ##ox [SEP] dog [SEP], or the like
  ASSERT_GE(places.size(), 6U);
  EXPECT_EQ(which.front(), -1);
  EXPECT_EQ(which.back(), -1);
  EXPECT_EQ(types.back(), 1);
  EXPECT_EQ(places[1][0], 0U);
  EXPECT_EQ(std::count(which.begin(), which.end(), -1), 3);
  const size_t firstOfPair = std::find(which.begin(), which.end(), 1) - which.begin();
  EXPECT_EQ(types[firstOfPair], 1);
  EXPECT_EQ(types[firstOfPair - 1], 0) << "the separator is of the first text";
  EXPECT_EQ(places[firstOfPair - 2][1], texts[0].size()) << "the last token of the first text ends it";
  EXPECT_EQ(tokenizer->place(std::vector<absl::string_view>{"\xC3"}).status().message(),
            "the text is not UTF-8");
}

TEST(Tokenizer, IsSharedByThreads) {
  auto tokenizer = load("llama3");
  ASSERT_TRUE(tokenizer);
  std::string text = "The quick brown fox jumps over the lazy dog, 12345 times.";
  std::vector<int32_t> expected = *tokenizer->encode(text);
  std::vector<std::thread> threads;
  std::atomic<int> equal = 0;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int j = 0; j < 50; ++j)
        equal += *tokenizer->encode(text) == expected;
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(equal, 200);
}

TEST(Tokenizer, KnowsItsTokens) {
  auto tokenizer = load("digits");
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(tokenizer->findToken("<|end|>"), 0);
  EXPECT_EQ(tokenizer->tokenText(0), "<|end|>");
  EXPECT_TRUE(tokenizer->isSpecial(0));
  EXPECT_FALSE(tokenizer->isSpecial(*tokenizer->findToken("BIG")));
  EXPECT_EQ(tokenizer->tokenText(-1), "");
  EXPECT_EQ(tokenizer->tokenText(1 << 30), "");
  EXPECT_EQ(tokenizer->decode({-1, 1 << 30, 1}), tokenizer->decode({1}));
}

/// A vocabulary of a, b, ab with one merge.
TokenizerModel smallModel() {
  TokenizerModel model;
  model.set_algorithm(TokenizerModel::BYTE_PAIR_ENCODING);
  model.mutable_vocabulary()->set_text("abab");
  for (uint32_t end : {1, 2, 4})
    model.mutable_vocabulary()->add_token_end(end);
  model.mutable_byte_pair_encoding()->add_left(0);
  model.mutable_byte_pair_encoding()->add_right(1);
  model.mutable_byte_pair_encoding()->add_merged(2);
  return model;
}

TEST(Tokenizer, RefusesWhatDoesNotFitTogether) {
  auto message = [](auto change) {
    TokenizerModel model = smallModel();
    change(model);
    return std::string(Tokenizer::create(model).status().message());
  };
  EXPECT_EQ(message([](TokenizerModel &) {}), "");
  EXPECT_THAT(message([](TokenizerModel &m) { m.mutable_vocabulary()->set_token_end(1, 9); }),
              HasSubstr("token 1 ends at byte 9"));
  EXPECT_THAT(message([](TokenizerModel &m) { m.mutable_vocabulary()->set_text("\xC3\xA9"); }),
              HasSubstr("token 0 ends inside a UTF-8 character"));
  EXPECT_THAT(message([](TokenizerModel &m) { m.mutable_byte_pair_encoding()->set_merged(0, 3); }),
              HasSubstr("merge 0 is of token 3"));
  EXPECT_THAT(message([](TokenizerModel &m) { m.mutable_byte_pair_encoding()->add_left(0); }),
              HasSubstr("2 left, 1 right"));
  EXPECT_THAT(message([](TokenizerModel &m) { m.set_eos_id(3); }), HasSubstr("end-of-sequence token is 3"));
  EXPECT_THAT(message([](TokenizerModel &m) { m.mutable_single_template()->add_pieces()->set_token_id(7); }),
              HasSubstr("token of the template is 7"));
  EXPECT_THAT(message([](TokenizerModel &m) { m.set_algorithm(static_cast<TokenizerModel::Algorithm>(4)); }),
              HasSubstr("algorithm 4 is not supported"));
  EXPECT_THAT(message([](TokenizerModel &m) { m.add_normalizer(); }),
              HasSubstr("normalizer: a step of unknown kind"));
  EXPECT_THAT(message([](TokenizerModel &m) {
                m.add_pre_tokenizer()->mutable_split()->mutable_pattern()->set_regex("(");
              }),
              HasSubstr("pre-tokenizer: "));
  EXPECT_THAT(message([](TokenizerModel &m) { m.add_added_tokens()->set_id(5); }),
              HasSubstr("added token 5"));
}

TEST(Tokenizer, LimitsBacktracking) {
  TokenizerModel model = smallModel();
  auto &split = *model.add_pre_tokenizer()->mutable_split();
  split.mutable_pattern()->set_regex("(a+a+)+[bc]");
  split.set_behavior(PreTokenizerStep::ISOLATED);
  auto tokenizer = Tokenizer::create(model);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  auto ids = (*tokenizer)->encode(std::string(4000, 'a'));
  EXPECT_EQ(ids.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(ids.status().message()), HasSubstr("(a+a+)+[bc]"));
}

} // namespace
} // namespace llmc::text
