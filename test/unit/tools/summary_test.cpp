#include "tools/llmc/Summary.h"

#include <gtest/gtest.h>

namespace llmc::tool {
namespace {

TEST(Summary, AbbreviatesToThreeDigits) {
  EXPECT_EQ(abbreviate(0), "0");
  EXPECT_EQ(abbreviate(576), "576");
  EXPECT_EQ(abbreviate(999), "999");
  EXPECT_EQ(abbreviate(1000), "1.00 k");
  EXPECT_EQ(abbreviate(9994), "9.99 k");
  EXPECT_EQ(abbreviate(9996), "10.0 k");
  EXPECT_EQ(abbreviate(99960), "100 k");
  EXPECT_EQ(abbreviate(999400), "999 k");
  EXPECT_EQ(abbreviate(999500), "1.00 M");
  EXPECT_EQ(abbreviate(134515008), "135 M");
  EXPECT_EQ(abbreviate(8.03e9), "8.03 G");
}

TEST(Summary, CountsTheElementsOfAParameter) {
  EXPECT_EQ((ParameterSummary{"w", {3, 5, 7}, "F32", 420}.elements()), 105);
  EXPECT_EQ((ParameterSummary{"scalar", {}, "F32", 4}.elements()), 1);
}

TEST(Summary, PrintsFactsAndParametersAsOneJsonObject) {
  Summary summary;
  summary.path = "m.llmc";
  summary.facts = {{"kind", "text generator"}, {"context_length", 512}};
  summary.parameters = {{"w", {2, 3}, "F32", 24}};
  testing::internal::CaptureStdout();
  printSummaryJson(summary);
  EXPECT_EQ(testing::internal::GetCapturedStdout(),
            R"({"model":"m.llmc","kind":"text generator","context_length":512,)"
            R"("parameters":[{"name":"w","shape":[2,3],"format":"F32","bytes":24}]})"
            "\n");
}

TEST(Summary, PrintsTotalsOfEachFormat) {
  Summary summary;
  summary.path = "m.llmc";
  summary.facts = {{"weights_bytes", 1500}};
  summary.parameters = {{"a", {20}, "F32", 80}, {"b", {1, 10}, "F32", 40}, {"c", {32}, "Q4_1", 20}};
  testing::internal::CaptureStdout();
  printTable(summary);
  std::string text = testing::internal::GetCapturedStdout();
  EXPECT_NE(text.find("weights bytes                1.50 kB (1500)"), std::string::npos) << text;
  EXPECT_NE(text.find("F32                                   2           30          120"), std::string::npos)
      << text;
  EXPECT_NE(text.find("Q4_1                                  1           32           20"), std::string::npos)
      << text;
}

} // namespace
} // namespace llmc::tool
