//===- Checkpoint.cpp - a model on disk, whatever its format -----------------------------------------===//

#include "frontend/import/Checkpoint.h"
#include "dialects/nn/NN.h"
#include "llvm/Support/FormatVariadic.h"
#include <cstring>

using namespace mlir;
using namespace llmc;
using namespace llmc::frontend;

namespace {

Type elementTypeOf(blocks::StorageFormat format, MLIRContext *context) {
  switch (format) {
  case blocks::StorageFormat::F32:
    return Float32Type::get(context);
  case blocks::StorageFormat::F16:
    return Float16Type::get(context);
  case blocks::StorageFormat::BF16:
    return BFloat16Type::get(context);
  default:
    // The quantized formats have the same order in both enumerations.
    return nn::BlockType::get(context,
                              static_cast<nn::BlockFormat>(static_cast<int>(format) -
                                                           static_cast<int>(blocks::StorageFormat::Q8_0)));
  }
}

/// The transpose of a matrix of `rows` times `columns` elements of `size` bytes.
std::vector<uint8_t> transposeOf(absl::Span<const uint8_t> bytes, int64_t rows, int64_t columns,
                                 int64_t size) {
  constexpr int64_t kBlock = 64; // Rows and columns whose elements stay in the cache.
  std::vector<uint8_t> result(bytes.size());
  for (int64_t row = 0; row < rows; row += kBlock)
    for (int64_t column = 0; column < columns; column += kBlock)
      for (int64_t r = row; r < std::min(row + kBlock, rows); ++r)
        for (int64_t c = column; c < std::min(column + kBlock, columns); ++c)
          std::memcpy(&result[(c * rows + r) * size], &bytes[(r * columns + c) * size], size);
  return result;
}

} // namespace

void Checkpoint::transpose(llvm::StringRef name) {
  auto found = stored.find(name);
  if (found == stored.end() || found->second.shape.size() != 2 || found->second.isTransposed)
    return;
  std::swap(found->second.shape[0], found->second.shape[1]);
  found->second.isTransposed = true;
}

void Checkpoint::addPrefix(llvm::StringRef prefix) {
  llvm::StringMap<StoredTensor> renamed;
  for (auto &entry : stored) {
    StoredTensor &tensor = renamed[(prefix + entry.getKey()).str()] = std::move(entry.second);
    tensor.nameInFile = entry.getKey().str();
  }
  stored = std::move(renamed);
}

void Checkpoint::dropRows(llvm::StringRef name, int64_t count) {
  StoredTensor &tensor = stored.find(name)->second;
  const size_t rowBytes = tensor.bytes.size() / tensor.shape[0];
  tensor.shape[0] -= count;
  tensor.droppedRows += count;
  tensor.bytes.remove_prefix(count * rowBytes);
}

void Checkpoint::makeRow(llvm::StringRef name) {
  auto found = stored.find(name);
  if (found != stored.end() && found->second.shape.size() == 1)
    found->second.shape = {1, found->second.shape[0]};
}

void Checkpoint::flattenRow(llvm::StringRef name) {
  auto found = stored.find(name);
  if (found == stored.end() || found->second.shape.size() != 2 || found->second.shape[0] != 1)
    return;
  found->second.shape = {found->second.shape[1]};
  found->second.isRow = true;
}

void Checkpoint::makeConstant(llvm::StringRef name) {
  if (auto found = stored.find(name); found != stored.end())
    found->second.isConstant = true;
}

void Checkpoint::addTensor(llvm::StringRef name, llvm::ArrayRef<int64_t> shape, std::vector<float> contents) {
  added.push_back(std::make_unique<std::vector<float>>(std::move(contents)));
  StoredTensor &tensor = stored[name];
  tensor.isConstant = tensor.isAdded = true;
  tensor.file = filePath;
  tensor.format = blocks::StorageFormat::F32;
  tensor.typeName = "F32";
  tensor.shape.assign(shape.begin(), shape.end());
  tensor.bytes = {reinterpret_cast<const uint8_t *>(added.back()->data()),
                  added.back()->size() * sizeof(float)};
}

void Checkpoint::mergeRows(llvm::StringRef name) {
  StoredTensor &tensor = stored.find(name)->second;
  tensor.shape = {tensor.shape[0] * tensor.shape[1], tensor.shape[2]};
}

RankedTensorType llmc::frontend::typeOf(const StoredTensor &tensor, MLIRContext *context) {
  return RankedTensorType::get(tensor.shape, elementTypeOf(*tensor.format, context));
}

llvm::Expected<llvm::ArrayRef<uint8_t>> Checkpoint::getContents(llvm::StringRef name, RankedTensorType type) {
  const StoredTensor *tensor = find(name);
  if (!tensor)
    return llvm::createStringError(llvm::formatv("{0}: has no tensor '{1}'", filePath, name).str());
  if (!tensor->format)
    return llvm::createStringError(
        llvm::formatv("{0}: tensor '{1}' has elements of type {2}", tensor->file, name, tensor->typeName)
            .str());
  if (RankedTensorType found = typeOf(*tensor, type.getContext()); found != type)
    return llvm::createStringError(
        llvm::formatv("{0}: tensor '{1}' has type {2}, expected {3}", tensor->file, name, found, type).str());
  if (!tensor->isTransposed)
    return llvm::ArrayRef<uint8_t>(tensor->bytes.data(), tensor->bytes.size());
  std::lock_guard<std::mutex> lock(transposing);
  std::vector<uint8_t> &made = transposed[name];
  if (made.empty())
    made = transposeOf(tensor->bytes, tensor->shape[1], tensor->shape[0], type.getElementTypeBitWidth() / 8);
  return llvm::ArrayRef<uint8_t>(made);
}
