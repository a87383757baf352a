#include "passes/Statistics.h"
#include "gmock/gmock.h"

using namespace mlir;
using namespace llmc;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

namespace {

struct CountsTwice : PassWrapper<CountsTwice, OperationPass<ModuleOp>>, Counting {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(CountsTwice)
  StringRef getArgument() const override { return "counts-twice"; }
  void runOnOperation() override {
    count(2, "operations seen");
    count(1, "operations seen");
    count(0, "operations changed");
  }
};

struct CountsNothing : PassWrapper<CountsNothing, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(CountsNothing)
  void runOnOperation() override {}
};

TEST(StatisticsTest, SumsWhatPassesCount) {
  MLIRContext context;
  OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(&context));
  StatisticsReport report;
  PassManager manager(&context);
  manager.addPass(std::make_unique<CountsNothing>());
  manager.addPass(std::make_unique<CountsTwice>());
  manager.addPass(std::make_unique<CountsTwice>());
  manager.addInstrumentation(createStatisticsInstrumentation(report));
  ASSERT_TRUE(succeeded(manager.run(*module)));
  EXPECT_THAT(report, ElementsAre(Pair("counts-twice", ElementsAre(Pair("operations seen", 6)))));

  std::string printed;
  llvm::raw_string_ostream stream(printed);
  printStatistics(report, stream);
  EXPECT_EQ(printed, "counts-twice: 6 operations seen\n");
}

TEST(StatisticsTest, CopiesOfPassesStartAnew) {
  struct Counted : Counting {
    void work() { count(3, "things done"); }
  } original;
  original.work();
  Counted copy(original);
  EXPECT_THAT(copy.takeCounts(), IsEmpty());
  EXPECT_THAT(original.takeCounts(), ElementsAre(Pair("things done", 3)));
  EXPECT_THAT(original.takeCounts(), IsEmpty());
}

} // namespace
