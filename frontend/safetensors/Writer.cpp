#include "frontend/safetensors/Writer.h"

#include <nlohmann/json.hpp>

namespace llmc::safetensors {

std::string headerOf(absl::Span<const TensorHeader> tensors) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  // Appended, because this kind of object would look through all keys for each new one. No two are equal.
  auto &entries = header.get_ref<nlohmann::ordered_json::object_t &>();
  entries.emplace_back("__metadata__", nlohmann::ordered_json::object({{"format", "pt"}}));
  uint64_t offset = 0;
  for (const TensorHeader &tensor : tensors) {
    entries.emplace_back(tensor.name,
                         nlohmann::ordered_json::object({{"dtype", tensor.type},
                                                         {"shape", tensor.shape},
                                                         {"data_offsets", {offset, offset + tensor.bytes}}}));
    offset += tensor.bytes;
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  const uint64_t size = text.size();
  return std::string(reinterpret_cast<const char *>(&size), sizeof(size)) + text;
}

} // namespace llmc::safetensors
