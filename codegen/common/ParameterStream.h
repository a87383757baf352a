//===- ParameterStream.h - contents of parameters, row by row ----------------------------------------===//
#ifndef LLMC_CODEGEN_COMMON_PARAMETERSTREAM_H
#define LLMC_CODEGEN_COMMON_PARAMETERSTREAM_H

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "dialects/nn/NN.h"
#include "dialects/nn/ParameterSource.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"

namespace llmc::codegen {

/// Evaluates parameters in the form in which they are stored, a few rows at a time: memory is bounded by a
/// panel of rows whatever the size of the tensor, but for the weights of products, which are those of
/// adapters. Initializers may use nn.load, nn.concat, nn.convert, nn.align_heads, nn.relative_position_bias
/// of constant positions, nn.scale, nn.linear without a bias, sums and products of f32 and, last, nn.pack.
class ParameterStream {
public:
  ParameterStream(mlir::ModuleOp module, nn::ParameterSource &source) : symbols(module), source(source) {}

  /// Calls `sink` with consecutive pieces of the contents of `param`.
  absl::Status stream(nn::ParamOp param, absl::FunctionRef<absl::Status(absl::Span<const uint8_t>)> sink);

private:
  /// Writes row `row` of `value` (element `row` of a vector) to `target`.
  absl::Status readRow(mlir::Value value, int64_t row, uint8_t *target);
  absl::Status readParamRow(llvm::StringRef symbol, int64_t row, uint8_t *target);
  absl::Status readBiasRow(nn::RelativePositionBiasOp op, int64_t row, float *target);
  absl::Status readScaledRow(nn::ScaleOp op, int64_t row, float *target);
  absl::Status readProductRow(nn::LinearOp op, int64_t row, float *target);
  absl::Status readNumbers(mlir::Value value, int64_t row, std::vector<float> &numbers);
  absl::Status streamPacked(nn::PackOp op, absl::FunctionRef<absl::Status(absl::Span<const uint8_t>)> sink);

  mlir::SymbolTable symbols;
  nn::ParameterSource &source;
  llvm::StringMap<llvm::ArrayRef<uint8_t>> contents;
  llvm::DenseMap<mlir::Operation *, llvm::SmallVector<int64_t>> rowOrders;
  /// The weights of products in the parameter that is read, [in, out].
  llvm::DenseMap<mlir::Operation *, std::vector<float>> productWeights;
};

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_COMMON_PARAMETERSTREAM_H
