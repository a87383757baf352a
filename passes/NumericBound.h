//===- NumericBound.h - how far a pass may move results ----------------------------------------------===//
//
// Every pass states how far the results of a function may move when it runs, and why. The differential
// checker holds it to that: it runs the program before and after the pass on the same random inputs, through
// the reference semantics. A bound that is not exact holds for each function by itself, given the same
// arguments and the same results of what it calls: over the layers of a model small errors add up.
//
//===------------------------------------------------------------------------------------------------===//
#ifndef LLMC_PASSES_NUMERICBOUND_H
#define LLMC_PASSES_NUMERICBOUND_H

#include <string>
#include <utility>

namespace llmc {

/// How far the results of a function may move when a pass runs on it, with the reason.
struct NumericBound {
  enum class Kind {
    Exact,            ///< bit for bit
    Ulps,             ///< `limit` units in the last place of the result's type
    Relative,         ///< `limit` times the largest magnitude of the result before the pass
    Absolute,         ///< `limit`
    ChangesInterface, ///< functions take and return caches that they did not before, at the end (and may
                      ///< take positions). Results from empty caches, and in later steps from the caches of
                      ///< earlier ones, stay within `limit` times the largest magnitude
  };

  Kind kind = Kind::Exact;
  double limit = 0;
  std::string reason; ///< why the results may move, or why the interface changes

  /// No result changes by a bit.
  static NumericBound exact() { return {}; }
  /// Each element stays within `n` units in the last place.
  static NumericBound ulps(double n, std::string reason) { return {Kind::Ulps, n, std::move(reason)}; }
  /// Each element stays within `r` times the largest magnitude of its tensor.
  static NumericBound relative(double r, std::string reason) {
    return {Kind::Relative, r, std::move(reason)};
  }
  /// Each element stays within `a`.
  static NumericBound absolute(double a, std::string reason) {
    return {Kind::Absolute, a, std::move(reason)};
  }
  /// Functions get caches that they had not; a pass that changes more is refused. `r` is what the caches may
  /// change results by.
  static NumericBound changesInterface(std::string reason, double r = 0) {
    return {Kind::ChangesInterface, r, std::move(reason)};
  }
};

/// What a pass inherits beside mlir::Pass to declare its bound. The checker finds it with dynamic_cast.
class NumericallyBounded {
public:
  virtual ~NumericallyBounded() = default;
  /// The bound for the options that the pass has now.
  virtual NumericBound getNumericBound() const = 0;
};

} // namespace llmc

#endif // LLMC_PASSES_NUMERICBOUND_H
