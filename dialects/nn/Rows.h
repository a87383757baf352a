//===- Rows.h - known numbers of rows ----------------------------------------------------------------===//
#ifndef LLMC_DIALECTS_NN_ROWS_H
#define LLMC_DIALECTS_NN_ROWS_H

#include "mlir/IR/Operation.h"

#include <cstdint>

namespace llmc::nn {

/// Makes the open sizes of all values in `root` `rows`, those of functions' arguments and results too.
void fixRows(mlir::Operation *root, int64_t rows);

} // namespace llmc::nn

#endif // LLMC_DIALECTS_NN_ROWS_H
