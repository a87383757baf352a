//===- Hyperparameters.h - numbers of a step of an optimizer --------------------------------------------===//
#ifndef LLMC_TRAIN_HYPERPARAMETERS_H
#define LLMC_TRAIN_HYPERPARAMETERS_H

namespace llmc::train {

/// The section with the averages of parameters, of recipes that ask for them.
inline constexpr char kAverageSection[] = "average";

/// What a trainer gives to its step `update`, in the order of the operand `hyper`, f32 [kHyperparameters].
enum Hyperparameter : unsigned {
  kLearningRate,
  kGradientScale, ///< what gradients are multiplied by (clipping)
  kBeta1,
  kBeta2,
  kCorrection1, ///< 1 / (1 - beta1^t)
  kCorrection2, ///< 1 / (1 - beta2^t)
  kEpsilon,
  kWeightDecay,
  kHyperparameters
};

} // namespace llmc::train

#endif // LLMC_TRAIN_HYPERPARAMETERS_H
