#include "train/Safetensors.h"

#include "dialects/blocks/BlockFormat.h"
#include "frontend/safetensors/Checkpoint.h"
#include "frontend/safetensors/Writer.h"
#include "runtime/io/AtomicFile.h"

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace llmc::train {

int64_t elementsOf(const TensorView &tensor) {
  int64_t elements = 1;
  for (int64_t size : tensor.shape)
    elements *= size;
  return elements;
}

static std::vector<int64_t> storedShape(const TensorView &tensor) {
  std::vector<int64_t> shape = tensor.shape;
  if (tensor.transposed)
    std::reverse(shape.begin(), shape.end());
  if (tensor.row)
    shape.insert(shape.begin(), 1);
  return shape;
}

absl::Status writeSafetensors(absl::string_view path, absl::Span<const TensorView> tensors) {
  std::vector<safetensors::TensorHeader> headers;
  for (const TensorView &tensor : tensors)
    headers.push_back({tensor.name, "F32", storedShape(tensor), elementsOf(tensor) * sizeof(float)});
  absl::StatusOr<io::AtomicFile> file = io::AtomicFile::create(path);
  if (!file.ok())
    return file.status();
  (void)file->append(safetensors::headerOf(headers));
  std::vector<float> rows;
  for (const TensorView &tensor : tensors) {
    const float *data = tensor.data;
    if (tensor.transposed) {
      const int64_t m = tensor.shape[0], n = tensor.shape[1];
      rows.resize(m * n);
      for (int64_t i = 0; i < m; ++i)
        for (int64_t j = 0; j < n; ++j)
          rows[j * m + i] = tensor.data[i * n + j];
      data = rows.data();
    }
    if (absl::Status status = file->append(
            absl::MakeConstSpan(reinterpret_cast<const uint8_t *>(data), elementsOf(tensor) * sizeof(float)));
        !status.ok())
      return status;
  }
  return file->commit();
}

/// Fills `tensor` from `stored`, whose shape fits.
static absl::Status read(const safetensors::Tensor &stored, const TensorView &tensor) {
  absl::StatusOr<blocks::StorageFormat> format = stored.weightFormat();
  if (!format.ok())
    return format.status();
  const int64_t elements = elementsOf(tensor);
  if (!tensor.transposed) {
    blocks::dequantize(*format, stored.bytes.data(), elements, tensor.data);
    return absl::OkStatus();
  }
  const int64_t m = tensor.shape[0], n = tensor.shape[1];
  std::vector<float> row(m);
  const int64_t rowBytes = blocks::bytesOf(*format, m);
  for (int64_t j = 0; j < n; ++j) {
    blocks::dequantize(*format, stored.bytes.data() + j * rowBytes, m, row.data());
    for (int64_t i = 0; i < m; ++i)
      tensor.data[i * n + j] = row[i];
  }
  return absl::OkStatus();
}

absl::Status readSafetensors(absl::string_view path, absl::Span<const TensorView> tensors) {
  absl::StatusOr<safetensors::Checkpoint> checkpoint = safetensors::Checkpoint::open(path);
  if (!checkpoint.ok())
    return checkpoint.status();
  for (const TensorView &tensor : tensors) {
    auto located = checkpoint->locate(tensor.name);
    if (located.tensor == nullptr && !tensor.otherName.empty())
      located = checkpoint->locate(tensor.otherName);
    const auto [stored, shard] = located;
    if (stored == nullptr && tensor.optional)
      continue;
    const std::vector<int64_t> shape = storedShape(tensor);
    if (stored == nullptr)
      return absl::InvalidArgumentError(absl::StrCat(path, ": has no tensor '", tensor.name,
                                                     "', expected one of shape [", absl::StrJoin(shape, ", "),
                                                     "], which the trainer's model has"));
    if (!absl::c_equal(stored->shape, shape))
      return absl::InvalidArgumentError(absl::StrCat(
          shard->path(), ": tensor '", tensor.name, "' has shape [", absl::StrJoin(stored->shape, ", "),
          "], expected [", absl::StrJoin(shape, ", "), "], which the trainer's model has"));
    if (absl::Status status = read(*stored, tensor); !status.ok())
      return absl::Status(status.code(), absl::StrCat(shard->path(), ": ", status.message()));
  }
  return absl::OkStatus();
}

} // namespace llmc::train
