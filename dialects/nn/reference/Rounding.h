//===- Rounding.h - numbers as a storage type holds them ---------------------------------------------===//
#ifndef LLMC_DIALECTS_NN_REFERENCE_ROUNDING_H
#define LLMC_DIALECTS_NN_REFERENCE_ROUNDING_H

#include "dialects/blocks/BlockFormat.h"
#include "dialects/nn/NN.h"
#include "llvm/Support/Error.h"

namespace llmc::nn::reference {

/// The storage format of elements of `type`; none for f64 and integers, which no block format knows.
std::optional<blocks::StorageFormat> storageFormatOf(mlir::Type type);

/// Replaces `values`, which are consecutive elements of rows of `rowSize`, by the nearest numbers that
/// `elementType` holds: ties to even for f16 and bf16, and for block formats what quantizing and dequantizing
/// each block gives. f32 and f64 change nothing: they are no narrower than the evaluation. Fails with one
/// line if the rows are no whole blocks, the format can not be quantized to, or a number is not finite or too
/// large.
template <typename T>
llvm::Error roundTo(mlir::Type elementType, int64_t rowSize, llvm::MutableArrayRef<T> values);

} // namespace llmc::nn::reference

#endif // LLMC_DIALECTS_NN_REFERENCE_ROUNDING_H
