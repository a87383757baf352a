//===- Adapter.h - low-rank matrices as PEFT writes them ---------------------------------------------===//
#ifndef LLMC_FRONTEND_PEFT_ADAPTER_H
#define LLMC_FRONTEND_PEFT_ADAPTER_H

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "frontend/peft/AdapterConfig.h"
#include "frontend/safetensors/Reader.h"

#include <string>
#include <vector>

namespace llmc::peft {

/// The matrices of one layer: its weight [out, in] becomes weight + scale * up down (Hu et al., 2021).
/// Tensors have a type that a model can use.
struct LowRank {
  std::string module; ///< "model.layers.0.self_attn.q_proj"
  /// Of a table of embeddings [rows, width], which becomes table + scale * (up down)^T.
  bool isEmbedding = false;
  const safetensors::Tensor *down = nullptr; ///< A: [rank, in], or [rank, rows]
  const safetensors::Tensor *up = nullptr;   ///< B: [out, rank], or [width, rank]
  double scale = 1;
};

/// A tensor in whose place the adapter has another one.
struct Replaced {
  std::string name; ///< "lm_head.weight"
  const safetensors::Tensor *tensor;
};

/// An adapter. What it hands out lives as long as it does, also after a move.
class Adapter {
public:
  /// Reads the directory at `path`. Fails with one line that names file, field or tensor, what was found and
  /// what was expected.
  static absl::StatusOr<Adapter> open(const std::string &path);

  /// The path as it was given to open().
  const std::string &path() const { return folder; }
  /// The file of the tensors, for messages.
  const std::string &tensorFile() const { return tensors.path(); }
  /// The paths of all files that were read.
  std::vector<std::string> files() const { return {config.file(), tensors.path()}; }

  /// By the names of their layers; at least one of both lists is not empty.
  absl::Span<const LowRank> lowRank() const { return matrices; }
  absl::Span<const Replaced> replaced() const { return replacements; }

private:
  Adapter(std::string folder, AdapterConfig config, safetensors::Reader tensors)
      : folder(std::move(folder)), config(std::move(config)), tensors(std::move(tensors)) {}
  absl::Status pairTensors();
  absl::Status checkMatrices(LowRank &layer) const;
  absl::Status wrongTensor(absl::string_view name, absl::string_view message) const;

  std::string folder;
  AdapterConfig config;
  safetensors::Reader tensors;
  std::vector<LowRank> matrices;
  std::vector<Replaced> replacements;
};

} // namespace llmc::peft

#endif // LLMC_FRONTEND_PEFT_ADAPTER_H
