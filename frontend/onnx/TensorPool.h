#ifndef LLMC_FRONTEND_ONNX_TENSORPOOL_H
#define LLMC_FRONTEND_ONNX_TENSORPOOL_H

#include <deque>
#include <string>
#include <vector>

#include "frontend/onnx/Array.h"
#include "frontend/onnx/Tensor.h"

namespace llmc::onnx {

/// Tensors that are in no file, or parts of some that are. They stay where they are.
class TensorPool {
public:
  /// Keeps `tensor`.
  const Tensor *add(Tensor tensor) { return &tensors.emplace_back(std::move(tensor)); }
  /// A tensor in f32 with these elements.
  const Tensor *add(std::string name, std::vector<int64_t> shape, const std::vector<double> &values);
  /// `count` rows of `table` from `first` on; of the same bytes. One row alone is a vector.
  const Tensor *rowsOf(const Tensor &table, int64_t first, int64_t count);

private:
  std::deque<Tensor> tensors;
};

} // namespace llmc::onnx

#endif // LLMC_FRONTEND_ONNX_TENSORPOOL_H
