//===- PassSequence.h - the passes of a compilation ----------------------------------------------------===//
#ifndef LLMC_CODEGEN_COMPILER_PASSSEQUENCE_H
#define LLMC_CODEGEN_COMPILER_PASSSEQUENCE_H

#include "passes/Pipelines.h"
#include "llvm/ADT/StringRef.h"
#include <optional>
#include <string>

namespace llmc::codegen {

/// All passes of a compilation in their order, each with a name that is its own. A position is a number of
/// passes that have run.
class PassSequence {
public:
  /// Appends passes; returns the position behind them.
  size_t append(passes::PassList list);

  size_t size() const { return passes.size(); }

  /// The name of the last pass that has run at `position`, which is not 0: that of the pass and, if it runs
  /// several times, which time this is: `nn-fuse`, `cse:2`.
  std::string nameBefore(size_t position) const;

  /// The position behind the pass called `name`, or, if it names a pass that runs several times, behind the
  /// last of them, among the passes before position `end`.
  std::optional<size_t> positionBehind(llvm::StringRef name, size_t end) const;

  /// The names of the passes before position `end`, with commas between them.
  std::string namesBefore(size_t end) const;

  /// Takes the passes from position `begin` to `end` out of the sequence; their names remain.
  passes::PassList take(size_t begin, size_t end);

private:
  passes::PassList passes;
  std::vector<std::string> arguments; ///< what llmc-opt calls them
};

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_COMPILER_PASSSEQUENCE_H
