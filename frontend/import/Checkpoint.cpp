//===- Checkpoint.cpp - a model on disk, whatever its format -----------------------------------------===//

#include "frontend/import/Checkpoint.h"
#include "dialects/nn/NN.h"
#include "llvm/Support/FormatVariadic.h"

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

} // namespace

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
  return llvm::ArrayRef<uint8_t>(tensor->bytes.data(), tensor->bytes.size());
}
