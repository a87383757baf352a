//===- RandomInputs.h - made-up weights and arguments --------------------------------------------------===//
#ifndef LLMC_PASSES_VERIFY_RANDOMINPUTS_H
#define LLMC_PASSES_VERIFY_RANDOMINPUTS_H

#include "dialects/nn/ParameterSource.h"
#include "dialects/nn/reference/Values.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringMap.h"
#include <optional>

namespace llmc {

/// Numbers that depend on a seed and a name only, the same on every machine.
class RandomNumbers {
public:
  RandomNumbers(uint64_t seed, llvm::StringRef name);
  /// Evenly distributed in [low, high).
  double uniform(double low, double high);
  /// Evenly distributed in [0, count); count is positive.
  int64_t below(int64_t count);

private:
  uint64_t next();
  uint64_t state;
};

/// A checkpoint of random tensors, each of which depends on the seed and its name only. Weights are scaled by
/// their width so that products of numbers around one are around one; vectors are around one, as the weights
/// of norms are. Remembers what it made, refuses to give a tensor in another type than the first time, and to
/// make more than 4 GiB.
class RandomParameters : public nn::ParameterSource {
public:
  explicit RandomParameters(uint64_t seed) : seed(seed) {}
  llvm::Expected<llvm::ArrayRef<uint8_t>> getContents(llvm::StringRef name,
                                                      mlir::RankedTensorType type) override;

private:
  struct Made {
    mlir::RankedTensorType type;
    std::vector<uint8_t> bytes;
  };
  uint64_t seed;
  int64_t madeBytes = 0;
  llvm::StringMap<Made> made;
};

/// The sizes of one step.
struct StepSizes {
  int64_t rows;   ///< tokens, and every other size that types leave open
  int64_t cached; ///< positions in each cache that the function takes
  uint64_t seed;
};

/// Returns "7 rows from position 3, 3 positions cached, seed 2".
std::string describe(const StepSizes &sizes);

/// Makes up arguments for `function` by what it does with them: ids lie within the table that they index,
/// positions increase and come after those in the caches (and straddle the window of attention), activations
/// are around one. Returns nothing if an argument has a type that no value can be made up for.
template <typename T>
std::optional<llvm::SmallVector<nn::reference::RuntimeValue<T>>> makeArguments(mlir::func::FuncOp function,
                                                                               const StepSizes &sizes);

} // namespace llmc

#endif // LLMC_PASSES_VERIFY_RANDOMINPUTS_H
