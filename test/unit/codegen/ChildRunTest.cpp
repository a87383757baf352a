// Code in a process of its own: numbers come back, crashes do not.

#include "codegen/verify/ChildRun.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include <csignal>

using namespace llmc::codegen;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

TEST(ChildRun, NumbersComeBack) {
  bool ranHere = false;
  auto numbers = runInChild(3, [&](ChildRun &run) {
    ranHere = true;
    run.append({1.5f, -2.0f});
    run.append({3.0f, 4.0f});
    return absl::OkStatus();
  });
  ASSERT_TRUE(numbers.ok()) << numbers.status().message();
  EXPECT_THAT(*numbers, ElementsAre(1.5f, -2.0f, 3.0f)) << "at most three were asked for";
  EXPECT_FALSE(ranHere);
}

TEST(ChildRun, ACrashIsReportedWithWhatRan) {
  auto numbers = runInChild(1, [](ChildRun &run) {
    run.begin("step 'decode'");
    std::raise(SIGSEGV);
    return absl::OkStatus();
  });
  EXPECT_EQ(numbers.status().code(), absl::StatusCode::kAborted);
  EXPECT_THAT(numbers.status().message(),
              HasSubstr("the compiled code crashes (Segmentation fault), in step 'decode'"));
}

TEST(ChildRun, ErrorsComeBack) {
  auto numbers = runInChild(0, [](ChildRun &) { return absl::OutOfRangeError("writes too far"); });
  EXPECT_EQ(numbers.status(), absl::AbortedError("writes too far"));
}

} // namespace
