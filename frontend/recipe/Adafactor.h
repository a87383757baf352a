//===- Adafactor.h - steps by factors of mean squares ------------------------------------------------------===//
#ifndef LLMC_FRONTEND_RECIPE_ADAFACTOR_H
#define LLMC_FRONTEND_RECIPE_ADAFACTOR_H

#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "train/recipe.pb.h"

namespace llmc::recipe {

/// What a step of Adafactor (Shazeer and Stern, 2018) makes of one parameter.
struct AdafactorStep {
  mlir::Value direction; ///< of the parameter's type; the clipped update
  mlir::Value scale;     ///< [1]; what the learning rate is relative to
  llvm::SmallVector<mlir::Value> states;
};

/// Builds a step for `parameter`, [n, m] or [n], from its gradient and states: of a matrix the mean squares
/// of rows, [n], and of columns, [m]; of a vector those of elements, [n]. The element `decay` of `hyper` is
/// what is kept of states.
AdafactorStep buildAdafactorStep(mlir::ImplicitLocOpBuilder &b, const train::Optimizer::Adafactor &form,
                                 mlir::Value parameter, mlir::Value gradient, mlir::ValueRange states,
                                 mlir::Value hyper, unsigned decay);

} // namespace llmc::recipe

#endif // LLMC_FRONTEND_RECIPE_ADAFACTOR_H
