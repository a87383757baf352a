//===- DeclaredBounds.cpp - the bounds of passes -----------------------------------------------------===//

#include "mlir/Pass/Pass.h"
#include "passes/verify/VerifyNumerics.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;
using namespace llmc;

/// Bounds by pass argument. These passes of MLIR move, merge and remove operations, fold constants as the
/// operations round, and write operations as those of another dialect that do the same.
static llvm::StringMap<NumericBound> &declaredBounds() {
  static llvm::StringMap<NumericBound> bounds = [] {
    llvm::StringMap<NumericBound> exact;
    for (StringRef argument : {"canonicalize",
                               "control-flow-sink",
                               "convert-arith-to-llvm",
                               "convert-cf-to-llvm",
                               "convert-func-to-llvm",
                               "convert-index-to-llvm",
                               "convert-math-to-llvm",
                               "convert-scf-to-cf",
                               "convert-ub-to-llvm",
                               "convert-vector-to-llvm",
                               "convert-vector-to-scf",
                               "cse",
                               "duplicate-function-elimination",
                               "expand-strided-metadata",
                               "finalize-memref-to-llvm",
                               "inline",
                               "loop-invariant-code-motion",
                               "lower-affine",
                               "print-ir",
                               "print-op-stats",
                               "reconcile-unrealized-casts",
                               "remove-dead-values",
                               "sccp",
                               "snapshot-op-locations",
                               "strip-debuginfo",
                               "symbol-dce",
                               "symbol-privatize",
                               "topological-sort"})
      exact[argument] = NumericBound::exact();
    return exact;
  }();
  return bounds;
}

void llmc::declareNumericBound(StringRef passArgument, NumericBound bound) {
  declaredBounds()[passArgument] = std::move(bound);
}

std::optional<NumericBound> llmc::findNumericBound(const Pass &pass) {
  if (auto *bounded = dynamic_cast<const NumericallyBounded *>(&pass))
    return bounded->getNumericBound();
  auto found = declaredBounds().find(pass.getArgument());
  if (found == declaredBounds().end())
    return std::nullopt;
  return found->second;
}
