//===- Statistics.h - what passes did, in numbers ----------------------------------------------------===//
//
// Distributions build MLIR without statistics: mlir::Pass::Statistic does nothing there, whatever flags the
// program is compiled with. Hence this small replacement.
//
//===------------------------------------------------------------------------------------------------===//
#ifndef LLMC_PASSES_STATISTICS_H
#define LLMC_PASSES_STATISTICS_H

#include "mlir/Pass/PassInstrumentation.h"
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace llvm {
class raw_ostream;
}

namespace llmc {

/// Numbers by what they count.
using Counts = std::map<std::string, uint64_t>;

/// What a pass inherits beside mlir::Pass to count what it does. The report finds it with dynamic_cast.
class Counting {
public:
  Counting() = default;
  /// A copy of a pass has done nothing yet.
  Counting(const Counting &) {}
  Counting &operator=(const Counting &) = delete;
  virtual ~Counting() = default;

  /// What was counted since the last call.
  Counts takeCounts() { return std::exchange(counts, Counts()); }

protected:
  /// Adds `n` to the number of `what`, a plural: "products merged".
  void count(uint64_t n, llvm::StringRef what) {
    if (n)
      counts[what.str()] += n;
  }

private:
  Counts counts;
};

/// What passes counted: pass argument, numbers. In the order in which the passes ran.
using StatisticsReport = std::vector<std::pair<std::string, Counts>>;

/// Collects what the passes of a pass manager count into `report`, which outlives the pass manager. A pass
/// that runs several times has one entry.
std::unique_ptr<mlir::PassInstrumentation> createStatisticsInstrumentation(StatisticsReport &report);

/// Prints a line for each number: `nn-merge-linears: 5 products merged`.
void printStatistics(const StatisticsReport &report, llvm::raw_ostream &stream);

} // namespace llmc

#endif // LLMC_PASSES_STATISTICS_H
