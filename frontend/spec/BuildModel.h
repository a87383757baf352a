//===- BuildModel.h - a model definition as nn -------------------------------------------------------===//
#ifndef LLMC_FRONTEND_SPEC_BUILDMODEL_H
#define LLMC_FRONTEND_SPEC_BUILDMODEL_H

#include "dialects/nn/NN.h"
#include "frontend/spec/Definition.h"
#include "mlir/IR/OwningOpRef.h"

#include <string>
#include <utility>
#include <vector>

namespace llmc::spec {

/// Attributes of the parameters that are built: the deviation of a normal distribution that they begin with,
/// or the value of all elements, and, as a unit, that checkpoints have the matrix transposed.
inline constexpr llvm::StringLiteral kDeviationAttribute = "nn.init_deviation",
                                     kValueAttribute = "nn.init_value",
                                     kTransposedAttribute = "nn.transposed";

/// The model of a complete definition, with the function @loss(tokens, positions, segments, targets: i32
/// [rows]) -> losses [rows, 1] of predicting `targets`. Rows are sequences of `length` rows one behind the
/// other; tokens see tokens before them of their own segment. Parameters are called as in checkpoints of the
/// family.
mlir::OwningOpRef<mlir::ModuleOp> buildLoss(const ModelDefinition &definition, int64_t length,
                                            mlir::MLIRContext *context);

/// Files, by name, that say in a checkpoint what model it is: config.json.
std::vector<std::pair<std::string, std::string>> checkpointConfig(const ModelDefinition &definition);

} // namespace llmc::spec

#endif // LLMC_FRONTEND_SPEC_BUILDMODEL_H
