#include "tools/llmc/Progress.h"

#include <gtest/gtest.h>

namespace llmc::tool {
namespace {

TEST(Progress, DrawsHowFarTheWorkIs) {
  EXPECT_EQ(Progress::draw("packing weights", 1, 4, 80),
            "packing weights               25% [##########                              ]");
  EXPECT_EQ(Progress::draw("packing weights", 4, 4, 80),
            "packing weights              100% [########################################]");
}

TEST(Progress, ShowsNoShareOfAnUnknownTotal) {
  EXPECT_EQ(Progress::draw("generating code", 0, 0, 80), "generating code ...");
}

TEST(Progress, FitsIntoEveryTerminal) {
  for (int columns = 1; columns <= 200; ++columns)
    EXPECT_LE(Progress::draw("packing weights", 3, 7, columns).size(),
              static_cast<size_t>(std::max(columns - 1, 1)));
}

TEST(Progress, StaysWithinItsBounds) {
  EXPECT_EQ(Progress::draw("x", 9, 4, 80), Progress::draw("x", 4, 4, 80));
  EXPECT_EQ(Progress::draw("x", -9, 4, 80), Progress::draw("x", 0, 4, 80));
}

} // namespace
} // namespace llmc::tool
