#include "train/Safetensors.h"
#include "train/Initialize.h"

#include "gtest/gtest.h"
#include <cmath>

namespace llmc::train {

TEST(Safetensors, KeepTensors) {
  const std::string path = testing::TempDir() + "/tensors.safetensors";
  std::vector<float> a = {1, 2, 3, 4, 5, 6}, b = {7, 8}, readA(6), readB(2);
  ASSERT_TRUE(writeSafetensors(path, {{"a", {2, 3}, a.data(), true}, {"b", {2}, b.data(), false}}).ok());
  ASSERT_TRUE(
      readSafetensors(path, {{"a", {2, 3}, readA.data(), true}, {"b", {2}, readB.data(), false}}).ok());
  EXPECT_EQ(readA, a);
  EXPECT_EQ(readB, b);
  // In the file the first is [3, 2].
  ASSERT_TRUE(readSafetensors(path, {{"a", {3, 2}, readA.data(), false}}).ok());
  EXPECT_EQ(readA, (std::vector<float>{1, 4, 2, 5, 3, 6}));
  EXPECT_EQ(readSafetensors(path, {{"b", {3}, readB.data(), false}}).message(),
            path + ": tensor 'b' has shape [2], expected [3], which the trainer's model has");
  EXPECT_EQ(readSafetensors(path, {{"c", {3}, readB.data(), false}}).message(),
            path + ": has no tensor 'c', expected one of shape [3], which the trainer's model has");
}

TEST(Initialize, IsNormalAndIndependentOfThreads) {
  std::vector<float> one(100001), three(100001);
  fillNormal(one.data(), one.size(), 0.5, 9, "w", 1);
  fillNormal(three.data(), three.size(), 0.5, 9, "w", 3);
  EXPECT_EQ(one, three);
  double sum = 0, squares = 0;
  for (float value : one) {
    sum += value;
    squares += double(value) * value;
  }
  EXPECT_NEAR(sum / one.size(), 0, 0.01);
  EXPECT_NEAR(std::sqrt(squares / one.size()), 0.5, 0.01);
}

} // namespace llmc::train
