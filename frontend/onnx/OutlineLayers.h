//===- OutlineLayers.h - layers of a flat program as functions ---------------------------------------===//
#ifndef LLMC_FRONTEND_ONNX_OUTLINELAYERS_H
#define LLMC_FRONTEND_ONNX_OUTLINELAYERS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace llmc::onnx {

/// Makes a private function of each layer of `forward`, as importers of other formats do: from where only one
/// activation is alive before an attention to the same place before the next one. Their parameters become
/// arguments. What comes before the first and behind the last stays where it is.
void outlineLayers(mlir::func::FuncOp forward);

/// Moves nn.select_rows of the result up, before operations that work row by row: rows that nobody wants are
/// not computed.
void selectRowsEarly(mlir::func::FuncOp forward);

} // namespace llmc::onnx

#endif // LLMC_FRONTEND_ONNX_OUTLINELAYERS_H
