//===- TensorContents.cpp - the numbers of a tensor for a file that is written ------------------------===//

#include "frontend/export/TensorContents.h"
#include "absl/strings/str_cat.h"
#include "dialects/nn/NN.h"
#include "mlir/IR/MLIRContext.h"
#include "runtime/io/Message.h"
#include "llvm/Support/Parallel.h"

#include <atomic>
#include <cmath>

using namespace llmc;
using namespace llmc::frontend;

absl::StatusOr<TensorContents> TensorContents::create(Checkpoint &source, const NamedTensor &tensor,
                                                      Format target) {
  const std::string &name = tensor.in(source.format());
  const StoredTensor *found = source.find(name);
  if (!found)
    return absl::InternalError(absl::StrCat(source.path(), ": has no tensor ", io::quote(name)));
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  context.loadDialect<nn::NNDialect>();
  auto contents = source.getContents(name, typeOf(*found, &context));
  if (!contents)
    return absl::InvalidArgumentError(llvm::toString(contents.takeError()));

  TensorContents result;
  result.place = absl::StrCat(found->file, ": tensor ", io::quote(name));
  result.sizes.assign(found->shape.begin(), found->shape.end());
  result.width = result.sizes.empty() ? 1 : result.sizes.back();
  result.format = *found->format;
  result.bytes = *contents;
  if (source.format() == target)
    return result;

  if (tensor.experts > 0 && source.format() == Format::Gguf) {
    // The importer has put the matrices of all experts one below the other.
    result.sizes[0] /= tensor.experts;
    const size_t bytes = result.bytes.size() / tensor.experts;
    result.bytes = result.bytes.slice(tensor.expert * bytes, bytes);
  }
  const bool toHuggingFace = target == Format::HuggingFace;
  if (tensor.form == NamedTensor::Form::Row && !toHuggingFace)
    result.sizes.erase(result.sizes.begin());
  if (tensor.form == NamedTensor::Form::LessOne)
    result.added = toHuggingFace ? -1 : 1;
  if (tensor.neighbourHeads > 0) {
    if (result.isVector())
      result.width = 1; // the elements of a bias are what the rows of its matrix are
    result.headRows = result.sizes[0] / tensor.neighbourHeads;
    result.toNeighbours = !toHuggingFace;
  }
  result.isChanged = result.added != 0 || result.headRows > 0;
  if (tensor.form == NamedTensor::Form::Transposed && toHuggingFace) {
    // The source's matrix is [out, in].
    const int64_t out = result.sizes[0], in = result.sizes[1];
    std::vector<float> row(in), matrix(out * in);
    for (int64_t o = 0; o < out; ++o) {
      result.readRow(o, row.data());
      for (int64_t i = 0; i < in; ++i)
        matrix[i * out + o] = row[i];
    }
    result.transposed = std::move(matrix);
    result.sizes = {in, out};
    result.width = out;
    result.isChanged = true;
  }
  return result;
}

int64_t TensorContents::rows() const {
  int64_t elements = 1;
  for (int64_t size : sizes)
    elements *= size;
  return elements / width;
}

void TensorContents::readRow(int64_t row, float *values) const {
  if (!transposed.empty()) {
    std::copy_n(transposed.begin() + row * width, width, values);
    return;
  }
  if (headRows > 0) {
    // Member m (0 or 1) of pair p is row 2p + m among neighbours and m * headRows / 2 + p among halves.
    const int64_t head = row / headRows, place = row % headRows, half = headRows / 2;
    row = head * headRows + (toNeighbours ? place % 2 * half + place / 2 : place % half * 2 + place / half);
  }
  const int64_t rowBytes = blocks::bytesOf(format, width);
  blocks::dequantize(format, bytes.data() + row * rowBytes, width, values);
  for (int64_t i = 0; added != 0 && i < width; ++i)
    values[i] += added;
}

bool TensorContents::fits(blocks::StorageFormat target) const {
  if (!isChanged && target == format)
    return true;
  std::vector<float> row(width), back(width);
  std::vector<uint8_t> stored(blocks::bytesOf(target, width));
  for (int64_t r = 0; r < rows(); ++r) {
    readRow(r, row.data());
    if (blocks::quantize(target, row.data(), width, stored.data()))
      return false;
    blocks::dequantize(target, stored.data(), width, back.data());
    if (row != back)
      return false;
  }
  return true;
}

absl::Status TensorContents::append(blocks::StorageFormat target, io::AtomicFile &file) const {
  if (!isChanged && target == format)
    return file.append(absl::MakeConstSpan(bytes.data(), bytes.size()));
  // As many rows at once as make some MiB.
  constexpr int64_t kBytesAtOnce = 8 << 20;
  const int64_t rowBytes = blocks::bytesOf(target, width);
  const int64_t rowsAtOnce = std::max<int64_t>(1, kBytesAtOnce / static_cast<int64_t>(width * sizeof(float)));
  std::vector<uint8_t> stored;
  for (int64_t first = 0; first < rows(); first += rowsAtOnce) {
    const int64_t count = std::min(rowsAtOnce, rows() - first);
    stored.resize(count * rowBytes);
    std::atomic<int64_t> bad = INT64_MAX;
    llvm::parallelFor(0, count, [&](size_t r) {
      std::vector<float> row(width);
      readRow(first + r, row.data());
      if (auto index = blocks::quantize(target, row.data(), width, stored.data() + r * rowBytes)) {
        const int64_t element = (first + static_cast<int64_t>(r)) * width + *index;
        for (int64_t known = bad; element < known && !bad.compare_exchange_weak(known, element);) {
        }
      }
    });
    if (bad != INT64_MAX) {
      std::vector<float> row(width);
      readRow(bad / width, row.data());
      return absl::InvalidArgumentError(absl::StrCat(place, ": element ", bad.load(), " is ",
                                                     row[bad % width], ", which ",
                                                     std::string(blocks::nameOf(target)), " can not hold"));
    }
    if (absl::Status status = file.append(absl::MakeConstSpan(stored)); !status.ok())
      return status;
  }
  return absl::OkStatus();
}
