#include "runtime/core/Cpus.h"

#include "gtest/gtest.h"

#include <sched.h>
#include <thread>

using namespace llmc::runtime;

namespace {

TEST(CpusTest, ReadsControlGroupQuotas) {
  EXPECT_EQ(parseCpuMax("200000 100000"), 2);
  EXPECT_EQ(parseCpuMax("150000 100000"), 2) << "a part of a CPU counts as one";
  EXPECT_EQ(parseCpuMax("5000 100000"), 1);
  EXPECT_EQ(parseCpuMax("max 100000"), std::nullopt);
  EXPECT_EQ(parseCpuMax(""), std::nullopt);
  EXPECT_EQ(parseCpuMax("100000"), std::nullopt);
  EXPECT_EQ(parseCpuMax("-100000 100000"), std::nullopt);
  EXPECT_EQ(parseCpuMax("100000 0"), std::nullopt);
}

TEST(CpusTest, FollowsTheAffinityMask) {
  EXPECT_LE(availablePhysicalCpus(), availableLogicalCpus());
  int inner = 0;
  std::thread([&] {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
    inner = availableLogicalCpus();
  }).join();
  EXPECT_EQ(inner, 1);
}

} // namespace
