//===- byte_pair_encoding_test.cpp - merges in order of rank ---------------===//

#include "runtime/text/BytePairEncoding.h"

#include <random>

#include <gtest/gtest.h>

namespace llmc::text {
namespace {

/// A vocabulary of strings over a and b up to a length, with a merge for each way to make one, in random
/// order.
struct Fixture {
  std::vector<std::string> tokens;
  std::vector<std::array<uint32_t, 3>> merges;
  BytePairEncodingModel model;
  Vocabulary vocabulary;
};

Fixture makeFixture(unsigned seed) {
  Fixture fixture;
  std::mt19937 random(seed);
  for (size_t length = 1; length <= 5; ++length)
    for (size_t bits = 0; bits < size_t{1} << length; ++bits) {
      std::string token;
      for (size_t i = 0; i < length; ++i)
        token.push_back(bits >> i & 1 ? 'b' : 'a');
      if (length == 1 || random() % 2)
        fixture.tokens.push_back(token);
    }
  auto find = [&](const std::string &text) {
    return static_cast<uint32_t>(std::find(fixture.tokens.begin(), fixture.tokens.end(), text) -
                                 fixture.tokens.begin());
  };
  for (uint32_t left = 0; left < fixture.tokens.size(); ++left)
    for (uint32_t right = 0; right < fixture.tokens.size(); ++right)
      if (uint32_t merged = find(fixture.tokens[left] + fixture.tokens[right]);
          merged < fixture.tokens.size() && random() % 3)
        fixture.merges.push_back({left, right, merged});
  std::shuffle(fixture.merges.begin(), fixture.merges.end(), random);
  for (auto [left, right, merged] : fixture.merges) {
    fixture.model.add_left(left);
    fixture.model.add_right(right);
    fixture.model.add_merged(merged);
  }
  for (const std::string &token : fixture.tokens) {
    fixture.vocabulary.mutable_text()->append(token);
    fixture.vocabulary.add_token_end(static_cast<uint32_t>(fixture.vocabulary.text().size()));
  }
  return fixture;
}

/// The definition: merge the leftmost pair of the lowest rank until none is left.
std::vector<int32_t> mergeByDefinition(const Fixture &fixture, const std::string &piece) {
  std::vector<int32_t> ids;
  for (char c : piece)
    ids.push_back(c == 'a' ? 0 : 1);
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t rank = 0; rank < fixture.merges.size() && !changed; ++rank)
      for (size_t i = 0; i + 1 < ids.size() && !changed; ++i)
        if (ids[i] == static_cast<int32_t>(fixture.merges[rank][0]) &&
            ids[i + 1] == static_cast<int32_t>(fixture.merges[rank][1])) {
          ids[i] = static_cast<int32_t>(fixture.merges[rank][2]);
          ids.erase(ids.begin() + i + 1);
          changed = true;
        }
  }
  return ids;
}

TEST(BytePairEncoding, FollowsTheDefinitionForShortAndLongPieces) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    Fixture fixture = makeFixture(seed);
    auto index = TokenIndex::create(fixture.vocabulary);
    ASSERT_TRUE(index.ok()) << index.status();
    auto encoding = BytePairEncoding::create(fixture.model, *index, BytePairEncoding::Symbols::Characters);
    ASSERT_TRUE(encoding.ok()) << encoding.status();
    std::mt19937 random(seed);
    for (size_t length : {1, 2, 3, 7, 29, 30, 31, 47, 48, 49, 50, 101, 300}) {
      std::string piece;
      for (size_t i = 0; i < length; ++i)
        piece.push_back(random() % 2 ? 'a' : 'b');
      std::vector<int32_t> expected = mergeByDefinition(fixture, piece);
      // The second time, short pieces come from the cache.
      for (int round = 0; round < 2; ++round) {
        std::vector<int32_t> ids = {-7};
        (*encoding)->encode(piece, ids);
        EXPECT_EQ(ids.front(), -7);
        ids.erase(ids.begin());
        EXPECT_EQ(ids, expected) << "seed " << seed << " length " << length;
      }
    }
  }
}

TEST(BytePairEncoding, TheLastOfTwoEqualMergesCounts) {
  Fixture fixture;
  fixture.tokens = {"a", "b", "ab", "ba"};
  for (auto [left, right, merged] : {std::array<uint32_t, 3>{0, 1, 2}, {1, 0, 3}, {0, 1, 2}}) {
    fixture.model.add_left(left);
    fixture.model.add_right(right);
    fixture.model.add_merged(merged);
  }
  for (const std::string &token : fixture.tokens) {
    fixture.vocabulary.mutable_text()->append(token);
    fixture.vocabulary.add_token_end(static_cast<uint32_t>(fixture.vocabulary.text().size()));
  }
  auto index = TokenIndex::create(fixture.vocabulary);
  ASSERT_TRUE(index.ok());
  auto encoding = BytePairEncoding::create(fixture.model, *index, BytePairEncoding::Symbols::Characters);
  ASSERT_TRUE(encoding.ok());
  std::vector<int32_t> ids;
  (*encoding)->encode("aba", ids);
  EXPECT_EQ(ids, (std::vector<int32_t>{0, 3})); // ba has rank 1, ab rank 2
}

} // namespace
} // namespace llmc::text
