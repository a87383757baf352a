#include "train/Permutation.h"
#include "dialects/random/Philox.h"

#include "gtest/gtest.h"
#include <set>

namespace llmc::train {

// Random123's known answers.
TEST(Philox, GivesKnownAnswers) {
  using Words = std::array<uint32_t, 4>;
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr uint32_t kOnes = 0xffffffff;
  EXPECT_EQ(philox({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Permute, TakesEachPlaceOnce) {
  for (uint64_t count : {1, 2, 3, 7, 64, 65, 1000}) {
    std::set<uint64_t> places;
    for (uint64_t i = 0; i < count; ++i)
      places.insert(permute(i, count, 42));
    EXPECT_EQ(places.size(), count);
    EXPECT_EQ(*places.rbegin(), count - 1);
  }
}

TEST(Permute, DependsOnTheKey) {
  int same = 0;
  for (uint64_t i = 0; i < 1000; ++i)
    same += permute(i, 1000, 1) == permute(i, 1000, 2);
  EXPECT_LT(same, 20);
}

} // namespace llmc::train
