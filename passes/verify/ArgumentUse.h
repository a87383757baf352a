//===- ArgumentUse.h - what a function does with an argument -------------------------------------------===//
#ifndef LLMC_PASSES_VERIFY_ARGUMENTUSE_H
#define LLMC_PASSES_VERIFY_ARGUMENTUSE_H

#include "mlir/IR/Value.h"

namespace llmc {

/// What a function, with all that it calls, does with one of its arguments.
struct ArgumentUse {
  bool isPosition = false; ///< positions of tokens
  bool isSegment = false;  ///< which sequence a token belongs to
  bool isRowIndex = false; ///< rows of an activation of the step
  bool isCache = false;
  int64_t limit = 2;  ///< integers are below this: the rows of the smallest table that they index
  int64_t window = 0; ///< largest window of an attention to this cache
};

/// Follows `argument` of a function through its uses, into calls and fusions. Positions may also be marked as
/// such (`nn.input`).
ArgumentUse findUse(mlir::BlockArgument argument);

} // namespace llmc

#endif // LLMC_PASSES_VERIFY_ARGUMENTUSE_H
