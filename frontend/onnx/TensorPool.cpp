#include "frontend/onnx/TensorPool.h"

#include <cstring>

#include "absl/strings/str_cat.h"

namespace llmc::onnx {

const Tensor *TensorPool::add(std::string name, std::vector<int64_t> shape,
                              const std::vector<double> &values) {
  Tensor &tensor = tensors.emplace_back();
  tensor.name = std::move(name);
  tensor.shape = std::move(shape);
  tensor.owned.resize(values.size() * sizeof(float));
  for (size_t i = 0; i < values.size(); ++i) {
    const float value = static_cast<float>(values[i]);
    std::memcpy(&tensor.owned[i * sizeof(float)], &value, sizeof(float));
  }
  tensor.bytes = tensor.owned;
  return &tensor;
}

const Tensor *TensorPool::rowsOf(const Tensor &table, int64_t first, int64_t count) {
  const int64_t rowBytes = table.shape[1] * bytesOf(table.type);
  Tensor &rows = tensors.emplace_back();
  rows.name = absl::StrCat(table.name, ".", first);
  rows.type = table.type;
  rows.file = table.file;
  if (count > 1)
    rows.shape.push_back(count);
  rows.shape.push_back(table.shape[1]);
  rows.bytes = table.bytes.subspan(first * rowBytes, count * rowBytes);
  return &rows;
}

} // namespace llmc::onnx
