//===- Statistics.cpp - what passes did, in numbers --------------------------------------------------===//

#include "passes/Statistics.h"
#include "mlir/Pass/Pass.h"
#include <mutex>

using namespace mlir;
using namespace llmc;

namespace {

class StatisticsInstrumentation : public PassInstrumentation {
public:
  explicit StatisticsInstrumentation(StatisticsReport &report) : report(report) {}

  void runAfterPass(Pass *pass, Operation *) override {
    auto *counting = dynamic_cast<Counting *>(pass);
    if (!counting)
      return;
    std::lock_guard<std::mutex> lock(mutex); // passes on different functions may run at the same time
    std::string name = pass->getArgument().str();
    auto entry = llvm::find_if(report, [&](const auto &known) { return known.first == name; });
    if (entry == report.end())
      entry = report.insert(report.end(), {name, {}});
    for (const auto &[what, number] : counting->takeCounts())
      entry->second[what] += number;
  }

private:
  std::mutex mutex;
  StatisticsReport &report;
};

} // namespace

std::unique_ptr<PassInstrumentation> llmc::createStatisticsInstrumentation(StatisticsReport &report) {
  return std::make_unique<StatisticsInstrumentation>(report);
}

void llmc::printStatistics(const StatisticsReport &report, llvm::raw_ostream &stream) {
  for (const auto &[pass, counts] : report)
    for (const auto &[what, number] : counts)
      stream << pass << ": " << number << ' ' << what << '\n';
}
