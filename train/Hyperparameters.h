//===- Hyperparameters.h - numbers of a step of an optimizer --------------------------------------------===//
#ifndef LLMC_TRAIN_HYPERPARAMETERS_H
#define LLMC_TRAIN_HYPERPARAMETERS_H

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace llmc::train {

/// The section with the averages of parameters, of recipes that ask for them.
inline constexpr char kAverageSection[] = "average";

/// What Adafactor keeps: mean squares of rows and of columns of matrices, and of elements of vectors.
inline constexpr char kRowSquaresSection[] = "mean_sq_rows", kColumnSquaresSection[] = "mean_sq_columns",
                      kSquaresSection[] = "mean_sq";

/// The shape of what the section `section` has for a parameter of shape `shape`; nothing if it has none.
inline std::optional<std::vector<int64_t>> shapeIn(std::string_view section,
                                                   const std::vector<int64_t> &shape) {
  const bool isMatrix = shape.size() > 1;
  if (section == kRowSquaresSection || section == kColumnSquaresSection)
    return isMatrix ? std::optional(std::vector{shape[section == kRowSquaresSection ? 0 : 1]}) : std::nullopt;
  return isMatrix && section == kSquaresSection ? std::nullopt : std::optional(shape);
}

/// What a trainer gives to its step `update`, in the order of the operand `hyper`, f32 [kHyperparameters].
enum Hyperparameter : unsigned {
  kLearningRate,
  kGradientScale, ///< what gradients are multiplied by (clipping)
  kBeta1,
  kBeta2,       ///< of Adafactor 1 - t^-decay
  kCorrection1, ///< 1 / (1 - beta1^t)
  kCorrection2, ///< 1 / (1 - beta2^t)
  kEpsilon,
  kWeightDecay,
  kHyperparameters
};

} // namespace llmc::train

#endif // LLMC_TRAIN_HYPERPARAMETERS_H
