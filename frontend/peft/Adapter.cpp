#include "frontend/peft/Adapter.h"

#include <filesystem>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"

#include "runtime/io/Message.h"

namespace llmc::peft {

namespace {

/// What PEFT puts before the names of the model that it wraps.
constexpr absl::string_view kPrefix = "base_model.model.";

/// The ends of the names of matrices.
struct MatrixEnd {
  absl::string_view text;
  bool isEmbedding;
  const safetensors::Tensor *LowRank::*matrix;
};
constexpr MatrixEnd matrixEnds[] = {{".lora_A.weight", false, &LowRank::down},
                                    {".lora_B.weight", false, &LowRank::up},
                                    {".lora_embedding_A", true, &LowRank::down},
                                    {".lora_embedding_B", true, &LowRank::up}};

/// What names have in common that are neither matrices nor tensors of the model.
constexpr absl::string_view unknownParts[] = {".lora_", ".token_adapter.", ".modules_to_save.",
                                              ".trainable_tokens_"};

} // namespace

absl::Status Adapter::wrongTensor(absl::string_view name, absl::string_view message) const {
  return absl::InvalidArgumentError(absl::StrCat(tensorFile(), ": tensor ", io::quote(name), " ", message));
}

absl::Status Adapter::checkMatrices(LowRank &layer) const {
  const MatrixEnd *ends = &matrixEnds[layer.isEmbedding ? 2 : 0];
  for (const MatrixEnd &end : {ends[0], ends[1]})
    if (!(layer.*end.matrix))
      return absl::InvalidArgumentError(absl::StrCat(
          tensorFile(), ": has no tensor ", io::quote(absl::StrCat(kPrefix, layer.module, end.text)),
          ", expected one beside ", io::quote((layer.down ? layer.down : layer.up)->name)));
  absl::StatusOr<bool> isTarget = config.targets(layer.module);
  if (!isTarget.ok())
    return isTarget.status();
  if (!*isTarget)
    return wrongTensor(layer.down->name, absl::StrCat("is of a layer that target_modules of ", config.file(),
                                                      " does not name"));
  absl::StatusOr<int64_t> rank = config.rankOf(layer.module);
  absl::StatusOr<double> scale = config.scaleOf(layer.module);
  if (!rank.ok() || !scale.ok())
    return rank.ok() ? scale.status() : rank.status();
  layer.scale = *scale;
  for (const MatrixEnd &end : {ends[0], ends[1]}) {
    const safetensors::Tensor &tensor = *(layer.*end.matrix);
    const size_t side = end.matrix == &LowRank::down ? 0 : 1;
    if (tensor.shape.size() != 2 || tensor.shape[side] != *rank)
      return wrongTensor(tensor.name,
                         absl::StrCat("has shape [", absl::StrJoin(tensor.shape, ", "), "], expected ",
                                      side == 0 ? absl::StrCat("[", *rank, ", inputs]")
                                                : absl::StrCat("[outputs, ", *rank, "]"),
                                      " by the rank in ", config.file()));
  }
  return absl::OkStatus();
}

absl::Status Adapter::pairTensors() {
  std::map<std::pair<std::string, bool>, LowRank> layers;
  std::map<std::string, const safetensors::Tensor *> replaced;
  for (const safetensors::Tensor &tensor : tensors.tensors()) {
    absl::string_view name = tensor.name;
    if (!absl::ConsumePrefix(&name, kPrefix))
      return wrongTensor(name, absl::StrCat("has a name that does not begin with '", kPrefix, "'"));
    if (auto format = tensor.weightFormat(); !format.ok())
      return io::withContext(tensorFile(), format.status());
    const MatrixEnd *found = nullptr;
    for (const MatrixEnd &end : matrixEnds)
      if (absl::ConsumeSuffix(&name, end.text))
        found = &end;
    if (found) {
      LowRank &layer = layers[{std::string(name), found->isEmbedding}];
      layer.module = std::string(name);
      layer.isEmbedding = found->isEmbedding;
      layer.*(found->matrix) = &tensor;
      continue;
    }
    for (absl::string_view part : unknownParts)
      if (absl::StrContains(name, part))
        return wrongTensor(tensor.name, "is of an adapter that is not supported (supported: lora_A, lora_B, "
                                        "lora_embedding_A, lora_embedding_B and tensors of the model)");
    // The table that an adapted embedding has grown from.
    std::string whole(name);
    if (absl::string_view stem = name; absl::ConsumeSuffix(&stem, ".base_layer.weight"))
      whole = absl::StrCat(stem, ".weight");
    auto [known, isNew] = replaced.try_emplace(whole, &tensor);
    if (!isNew)
      return wrongTensor(tensor.name, absl::StrCat("replaces the same as ", io::quote(known->second->name)));
  }
  for (auto &[key, layer] : layers) {
    if (absl::Status status = checkMatrices(layer); !status.ok())
      return status;
    matrices.push_back(std::move(layer));
  }
  for (const auto &[name, tensor] : replaced)
    replacements.push_back({name, tensor});
  if (matrices.empty() && replacements.empty())
    return absl::InvalidArgumentError(absl::StrCat(tensorFile(), ": has no tensors, expected an adapter's"));
  return absl::OkStatus();
}

absl::StatusOr<Adapter> Adapter::open(const std::string &path) {
  const std::string configFile = path + "/adapter_config.json", file = path + "/adapter_model.safetensors";
  std::error_code ignored;
  if (!std::filesystem::exists(configFile, ignored))
    return absl::NotFoundError(absl::StrCat(
        path, ": has no adapter_config.json, expected a directory that PEFT wrote, with adapter_config.json "
              "and adapter_model.safetensors"));
  absl::StatusOr<AdapterConfig> config = AdapterConfig::read(configFile);
  if (!config.ok())
    return config.status();
  if (!std::filesystem::exists(file, ignored))
    return absl::NotFoundError(absl::StrCat(path, ": has no adapter_model.safetensors",
                                            std::filesystem::exists(path + "/adapter_model.bin", ignored)
                                                ? ", and adapter_model.bin is not read: expected an adapter "
                                                  "that was saved as safetensors"
                                                : ", expected the tensors of the adapter"));
  absl::StatusOr<safetensors::Reader> tensors = safetensors::Reader::open(file);
  if (!tensors.ok())
    return tensors.status();
  Adapter adapter(path, *std::move(config), *std::move(tensors));
  if (absl::Status status = adapter.pairTensors(); !status.ok())
    return status;
  return adapter;
}

} // namespace llmc::peft
