//===- VerifyNumerics.h - holds every pass to its numeric bound ----------------------------------------===//
//
// The differential checker. Around each pass it runs the public functions of the module through the reference
// semantics on made-up weights and arguments, and compares what they compute before and after. The first pass
// that departs from the bound that it declares is named with a small counterexample, and the pipeline fails.
//
//===------------------------------------------------------------------------------------------------===//
#ifndef LLMC_PASSES_VERIFY_VERIFYNUMERICS_H
#define LLMC_PASSES_VERIFY_VERIFYNUMERICS_H

#include "passes/NumericBound.h"
#include "passes/verify/RandomInputs.h"
#include <optional>

namespace mlir {
class Pass;
class PassManager;
} // namespace mlir

namespace llmc {

/// What is tried on every public function.
struct VerifyNumericsOptions {
  /// Sizes of the steps, smallest first, so that a counterexample is small. Awkward on purpose.
  llvm::SmallVector<StepSizes> steps = {{1, 3, 1}, {5, 0, 2}, {7, 2, 3}};
  /// Whether to say what could not be verified, in remarks and warnings.
  bool saysWhatIsNotVerified = true;
  /// Set when a pass is refused or caught, so that a caller can tell this from a pass that fails by itself.
  bool *isUntrusted = nullptr;
  /// Seed of the weights.
  uint64_t parameterSeed = 1;
};

/// Makes `manager` check each of its passes. Passes run on one thread from then on, because a pass on one
/// function is judged by what the whole module computes. A pass that declares no bound (NumericallyBounded,
/// or declareNumericBound) is refused by name, and so is one that changes the interface by more than caches,
/// since nothing can be compared then. Where the program leaves what the reference semantics knows, checking
/// ends, which is said in a remark. `manager` must be nested on a module.
void verifyNumerics(mlir::PassManager &manager, VerifyNumericsOptions options = {});

/// Declares the bound of a pass of somebody else by its argument, as "canonicalize" of MLIR. Not thread-safe.
void declareNumericBound(llvm::StringRef passArgument, NumericBound bound);

/// The bound of `pass`; none if it declares none. Passes of MLIR that keep values as they are have theirs.
std::optional<NumericBound> findNumericBound(const mlir::Pass &pass);

} // namespace llmc

#endif // LLMC_PASSES_VERIFY_VERIFYNUMERICS_H
