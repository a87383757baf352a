//===- Muon.h - directions of equal singular values ---------------------------------------------------------===//
#ifndef LLMC_FRONTEND_RECIPE_MUON_H
#define LLMC_FRONTEND_RECIPE_MUON_H

#include "dialects/nn/NN.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/ADT/StringSet.h"

namespace llmc::recipe {

/// Builds what is U V' for the singular value decomposition U S V' of `matrix`, roughly: five steps of a
/// polynomial of Newton and Schulz (Jordan et al., 2024), after which singular values lie around 1. Of the
/// type of `matrix`, f32.
mlir::Value orthogonalize(mlir::ImplicitLocOpBuilder &b, mlir::Value matrix);

/// The parameters of `function`, a loss, that are matrices of linear layers and of nothing else, without
/// those of its heads (findHeads()).
llvm::StringSet<> hiddenMatrices(mlir::func::FuncOp function);

} // namespace llmc::recipe

#endif // LLMC_FRONTEND_RECIPE_MUON_H
