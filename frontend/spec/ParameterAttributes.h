//===- ParameterAttributes.h - how parameters of a new model begin ------------------------------------===//
#ifndef LLMC_FRONTEND_SPEC_PARAMETERATTRIBUTES_H
#define LLMC_FRONTEND_SPEC_PARAMETERATTRIBUTES_H

#include "llvm/ADT/StringRef.h"

namespace llmc::spec {

/// Attributes of nn.param in a model to train: the deviation of a normal distribution that it begins with,
/// or the value of all elements, and, as a unit, that checkpoints have the matrix transposed.
inline constexpr llvm::StringLiteral kDeviationAttribute = "nn.init_deviation",
                                     kValueAttribute = "nn.init_value",
                                     kTransposedAttribute = "nn.transposed";

/// The deviation of matrices (Radford et al., 2019; Devlin et al., 2019).
inline constexpr double kDeviation = 0.02;

} // namespace llmc::spec

#endif // LLMC_FRONTEND_SPEC_PARAMETERATTRIBUTES_H
