#include "train/Safetensors.h"

#include "runtime/io/AtomicFile.h"
#include "runtime/io/MappedFile.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include <cstring>
#include <nlohmann/json.hpp>

namespace llmc::train {

using Json = nlohmann::ordered_json;

static int64_t elementsOf(const TensorView &tensor) {
  int64_t elements = 1;
  for (int64_t size : tensor.shape)
    elements *= size;
  return elements;
}

static std::vector<int64_t> storedShape(const TensorView &tensor) {
  return tensor.transposed ? std::vector<int64_t>(tensor.shape.rbegin(), tensor.shape.rend()) : tensor.shape;
}

absl::Status writeSafetensors(absl::string_view path, absl::Span<const TensorView> tensors) {
  Json header = {{"__metadata__", {{"format", "pt"}}}};
  int64_t offset = 0;
  for (const TensorView &tensor : tensors) {
    const int64_t bytes = elementsOf(tensor) * static_cast<int64_t>(sizeof(float));
    header[tensor.name] = {
        {"dtype", "F32"}, {"shape", storedShape(tensor)}, {"data_offsets", {offset, offset + bytes}}};
    offset += bytes;
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  absl::StatusOr<io::AtomicFile> file = io::AtomicFile::create(path);
  if (!file.ok())
    return file.status();
  const uint64_t size = text.size();
  (void)file->append(absl::MakeConstSpan(reinterpret_cast<const uint8_t *>(&size), sizeof(size)));
  (void)file->append(text);
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

absl::Status readSafetensors(absl::string_view path, absl::Span<const TensorView> tensors) {
  absl::StatusOr<io::MappedFile> file = io::MappedFile::open(path);
  if (!file.ok())
    return file.status();
  const absl::Span<const uint8_t> bytes = file->bytes();
  auto damaged = [&](absl::string_view what) { return absl::DataLossError(absl::StrCat(path, ": ", what)); };
  uint64_t size = 0;
  if (bytes.size() < sizeof(size))
    return damaged("was cut short");
  std::memcpy(&size, bytes.data(), sizeof(size));
  if (size > bytes.size() - sizeof(size))
    return damaged("was cut short: its header does not end in it");
  const Json header = Json::parse(bytes.begin() + sizeof(size), bytes.begin() + sizeof(size) + size,
                                  /*callback=*/nullptr, /*allow_exceptions=*/false);
  if (!header.is_object())
    return damaged("has a header that is no JSON object");
  const absl::Span<const uint8_t> data = bytes.subspan(sizeof(size) + size);
  for (const TensorView &tensor : tensors) {
    const auto found = header.find(tensor.name);
    const std::vector<int64_t> shape = storedShape(tensor);
    if (found == header.end() || !found->is_object() || found->value("dtype", "") != "F32" ||
        found->value("shape", Json()) != Json(shape))
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": tensor '", tensor.name, "' is not there as F32 of shape [",
                       absl::StrJoin(shape, ", "), "], which the trainer's model has"));
    const Json offsets = found->value("data_offsets", Json());
    const uint64_t wanted = elementsOf(tensor) * sizeof(float);
    if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() ||
        !offsets[1].is_number_unsigned() || offsets[1].get<uint64_t>() > data.size() ||
        offsets[1].get<uint64_t>() - offsets[0].get<uint64_t>() != wanted)
      return damaged(absl::StrCat("tensor '", tensor.name, "' does not lie in the file"));
    const uint8_t *from = data.data() + offsets[0].get<uint64_t>();
    if (!tensor.transposed) {
      std::memcpy(tensor.data, from, wanted);
      continue;
    }
    const int64_t m = tensor.shape[0], n = tensor.shape[1];
    for (int64_t j = 0; j < n; ++j)
      for (int64_t i = 0; i < m; ++i)
        std::memcpy(&tensor.data[i * n + j], from + (j * m + i) * sizeof(float), sizeof(float));
  }
  return absl::OkStatus();
}

} // namespace llmc::train
