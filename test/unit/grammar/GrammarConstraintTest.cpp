#include "runtime/grammar/GrammarConstraint.h"

#include "runtime/grammar/GrammarReader.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <cmath>

using namespace llmc::grammar;
using namespace llmc;
using testing::ElementsAre;
using testing::IsEmpty;

namespace {

constexpr int32_t kEnd = 0; ///< ends texts

/// A tokenizer of a special token and these pieces, of which <0xNN> are bytes and _ is a space.
std::unique_ptr<text::Tokenizer> tokenizerOf(std::vector<std::string> pieces, uint32_t stripLeft) {
  text::TokenizerModel model;
  model.set_algorithm(text::TokenizerModel::BYTE_PAIR_ENCODING);
  model.mutable_byte_pair_encoding();
  pieces.insert(pieces.begin(), "<end>");
  for (const std::string &piece : pieces) {
    *model.mutable_vocabulary()->mutable_text() += piece;
    model.mutable_vocabulary()->add_token_end(model.vocabulary().text().size());
  }
  text::AddedToken &end = *model.add_added_tokens();
  end.set_id(kEnd);
  end.set_content("<end>");
  end.set_special(true);
  auto &decoder = *model.mutable_decoder()->mutable_pieces();
  decoder.set_marker("_");
  decoder.set_byte_fallback(true);
  decoder.set_strip_left(stripLeft);
  auto tokenizer = text::Tokenizer::create(model);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  return tokenizer.ok() ? *std::move(tokenizer) : nullptr;
}

class GrammarConstraintTest : public testing::Test {
protected:
  void make(const char *grammar, const std::vector<std::string> &pieces, uint32_t stripLeft = 0) {
    vocabulary = pieces.size() + 1;
    constraint = *GrammarConstraint::create(*readGrammar("g", grammar), *tokenizerOf(pieces, stripLeft));
  }

  /// The tokens that may come after `made`, or none with the message in `error`.
  std::vector<int32_t> allowed(const std::vector<int32_t> &made, std::vector<int32_t> stopTokens = {kEnd}) {
    std::vector<float> scores(vocabulary + 3, 1); // more than there are tokens
    absl::Status status = constraint->apply(absl::MakeSpan(scores), made, stopTokens);
    error = std::string(status.message());
    std::vector<int32_t> tokens;
    for (size_t id = 0; status.ok() && id < scores.size(); ++id)
      if (scores[id] == 1)
        tokens.push_back(static_cast<int32_t>(id));
    return tokens;
  }

  size_t vocabulary = 0;
  std::shared_ptr<GrammarConstraint> constraint;
  std::string error;
};

TEST_F(GrammarConstraintTest, AllowsWhatTheBytesOfTokensAllow) {
  // 1: a, 2: ab, 3: abc, 4: b, 5: ba, 6: and 7: a character of two bytes, 8: bc
  make("root ::= \"ab\" (\"a\" | \"\xC3\xA9\" | \"c\")",
       {"a", "ab", "abc", "b", "ba", "<0xC3>", "<0xA9>", "bc"});
  EXPECT_THAT(allowed({}), ElementsAre(1, 2, 3));
  EXPECT_THAT(allowed({1}), ElementsAre(4, 5, 8)) << "tokens go over from one part to the next";
  EXPECT_THAT(allowed({2}), ElementsAre(1, 6));
  EXPECT_THAT(allowed({2, 6}), ElementsAre(7));
  EXPECT_THAT(allowed({2, 6, 7}), ElementsAre(kEnd)) << "the text is complete";
  EXPECT_THAT(allowed({3}), ElementsAre(kEnd));
}

TEST_F(GrammarConstraintTest, FollowsTextsThatBranch) {
  make("root ::= [ab]* \"c\"", {"a", "b", "c"});
  EXPECT_THAT(allowed({1, 2, 1}), ElementsAre(1, 2, 3));
  EXPECT_THAT(allowed({1, 2, 3}), ElementsAre(kEnd));
  EXPECT_THAT(allowed({1}), ElementsAre(1, 2, 3));
  EXPECT_THAT(allowed({3}), ElementsAre(kEnd));
  EXPECT_THAT(allowed({}), ElementsAre(1, 2, 3)) << "another text begins";
}

TEST_F(GrammarConstraintTest, EndsWhereTheGrammarMayEnd) {
  make("root ::= \"a\"+", {"a", "b"});
  EXPECT_THAT(allowed({}), ElementsAre(1));
  EXPECT_THAT(allowed({1}), ElementsAre(kEnd, 1));
  EXPECT_THAT(allowed({1}, {kEnd, 2}), ElementsAre(kEnd, 1, 2))
      << "a token that ends texts is no part of them";
  EXPECT_THAT(allowed({1}, {1}), ElementsAre(1));
}

TEST_F(GrammarConstraintTest, SpecialTokensAreNoPartOfTheText) {
  make("root ::= \"a\" \"b\"", {"a", "b", "<end>"});
  EXPECT_THAT(allowed({kEnd, 1, kEnd}), ElementsAre(2));
}

TEST_F(GrammarConstraintTest, KnowsWhatDecodersLeaveOut) {
  // The space of the first token is not part of the text.
  make("root ::= \"a\" \" a\"*", {"_a", "a", "_"}, /*stripLeft=*/1);
  EXPECT_THAT(allowed({}), ElementsAre(1, 2));
  EXPECT_THAT(allowed({1}), ElementsAre(kEnd, 1, 3));
  EXPECT_THAT(allowed({2, 3}), ElementsAre(2));
  make("root ::= \"a\" \" a\"*", {"_a", "a", "_"}, /*stripLeft=*/0);
  EXPECT_THAT(allowed({}), ElementsAre(2));
}

TEST_F(GrammarConstraintTest, FailsWhereNothingMayComeNext) {
  make("root ::= \"a\" [xy]", {"a", "b"});
  EXPECT_THAT(allowed({1}), IsEmpty());
  EXPECT_EQ(error, "the grammar demands characters that no token of the model begins with");
  EXPECT_THAT(allowed({2}), IsEmpty());
  EXPECT_EQ(error, "the text so far is not one of the grammar");
  make("root ::= \"a\"", {"a"});
  EXPECT_THAT(allowed({1}, {}), IsEmpty());
  EXPECT_EQ(error, "the text is complete by the grammar, and the model has no token that ends one");
}

} // namespace
