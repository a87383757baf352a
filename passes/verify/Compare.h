//===- Compare.h - whether results lie within a numeric bound ----------------------------------------===//
#ifndef LLMC_PASSES_VERIFY_COMPARE_H
#define LLMC_PASSES_VERIFY_COMPARE_H

#include "dialects/nn/reference/Values.h"
#include "mlir/IR/BuiltinOps.h"
#include "passes/NumericBound.h"

namespace llmc {

/// Returns where `after` first lies outside of `bound` around `before`, for people: "element [2, 5] is 0.25
/// before and 0.5 after". Empty if all of it lies within. Both are values of `type`, whose element type
/// decides what an ulp is. A NaN equals a NaN; integers are always compared exactly, and caches by position.
/// `spacing` times the largest magnitude is added to a bound that is not exact: see findSpacing().
template <typename T>
std::string describeDeparture(mlir::Type type, const nn::reference::RuntimeValue<T> &before,
                              const nn::reference::RuntimeValue<T> &after, const NumericBound &bound,
                              double spacing = 0);

/// How far neighbours of the coarsest type lie apart that `module` rounds activations to, relative to their
/// magnitude; 0 where all is f32. Of two numbers that are as near to each other as one likes, one may be
/// rounded up and one down: no bound below this holds behind a rounding.
double findSpacing(mlir::ModuleOp module);

/// The bound in words: "exact", "within 2 ulps".
std::string describeBound(const NumericBound &bound);

} // namespace llmc

#endif // LLMC_PASSES_VERIFY_COMPARE_H
