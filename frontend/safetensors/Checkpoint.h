#ifndef LLMC_FRONTEND_SAFETENSORS_CHECKPOINT_H
#define LLMC_FRONTEND_SAFETENSORS_CHECKPOINT_H

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include "frontend/safetensors/Reader.h"

namespace llmc::safetensors {

/// A tensor and the file in which it lies.
struct Located {
  const Tensor *tensor;
  const Reader *shard;
};

/// All tensors of a model: one safetensors file, or the shards of a directory. All views that it hands out
/// live as long as it does, also after a move.
class Checkpoint {
public:
  /// Opens a safetensors file, or in a directory `model.safetensors`, or else the shards that
  /// `model.safetensors.index.json` names. A shard that is missing, a tensor that is not in the shard that
  /// the index says, and a tensor that two shards hold are errors. Tensors of the shards that the index does
  /// not mention belong to the checkpoint as well.
  static absl::StatusOr<Checkpoint> open(absl::string_view path);

  /// The path as it was given to open().
  const std::string &path() const { return rootPath; }

  /// All tensors, sorted by name.
  absl::Span<const Located> tensors() const { return located; }

  /// The tensor called `name`, or null.
  const Tensor *find(absl::string_view name) const;
  /// The same with its shard; null members if there is none.
  Located locate(absl::string_view name) const;

  /// The files, each once, in the order of their names.
  absl::Span<const Reader> shards() const { return readers; }

  /// The paths of all files that were read: the shards, and the index if there is one.
  std::vector<std::string> files() const;

private:
  Checkpoint() = default;

  absl::Status openShards(const std::string &directory, const std::string &indexPath);
  absl::Status collect();

  std::string rootPath;
  /// Of the file that names the shards; empty without one.
  std::string shardIndexPath;
  std::vector<Reader> readers;
  std::vector<Located> located;
  absl::flat_hash_map<absl::string_view, size_t> index;
};

} // namespace llmc::safetensors

#endif // LLMC_FRONTEND_SAFETENSORS_CHECKPOINT_H
