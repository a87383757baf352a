#include "frontend/safetensors/Checkpoint.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "frontend/json/Object.h"
#include "frontend/json/Parse.h"
#include "runtime/io/Message.h"

namespace llmc::safetensors {

static constexpr absl::string_view singleName = "model.safetensors";
static constexpr absl::string_view indexName = "model.safetensors.index.json";

static bool exists(const std::string &path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

/// A shard is a file of the index's own directory: any other name could lead out of it.
static bool isPlainFileName(absl::string_view name) {
  return absl::EndsWith(name, ".safetensors") && !absl::StrContains(name, '/') &&
         !absl::StrContains(name, '\\') && !absl::StrContains(name, '\0');
}

absl::StatusOr<Checkpoint> Checkpoint::open(absl::string_view path) {
  Checkpoint checkpoint;
  checkpoint.rootPath = std::string(path);
  std::error_code error;
  absl::Status opened;
  if (!std::filesystem::is_directory(checkpoint.rootPath, error)) {
    absl::StatusOr<Reader> reader = Reader::open(path);
    if (!reader.ok())
      return reader.status();
    checkpoint.readers.push_back(*std::move(reader));
  } else {
    std::string single = absl::StrCat(path, "/", singleName);
    std::string shardIndex = absl::StrCat(path, "/", indexName);
    if (exists(single)) {
      absl::StatusOr<Reader> reader = Reader::open(single);
      if (!reader.ok())
        return reader.status();
      checkpoint.readers.push_back(*std::move(reader));
    } else if (exists(shardIndex)) {
      opened = checkpoint.openShards(checkpoint.rootPath, shardIndex);
    } else {
      opened = absl::NotFoundError(absl::StrCat(path, ": holds neither ", singleName, " nor ", indexName));
    }
  }
  if (opened.ok())
    opened = checkpoint.collect();
  if (!opened.ok())
    return opened;
  return checkpoint;
}

absl::Status Checkpoint::openShards(const std::string &directory, const std::string &indexPath) {
  shardIndexPath = indexPath;
  absl::StatusOr<json::Object> shardIndex = json::Object::readFile(indexPath);
  if (!shardIndex.ok())
    return shardIndex.status();
  absl::StatusOr<json::Object> weightMap = shardIndex->object("weight_map");
  if (!weightMap.ok())
    return weightMap.status();
  if (weightMap->value().empty())
    return shardIndex->wrong("weight_map", "at least one tensor");

  std::map<std::string, std::vector<std::string>> tensorsOfShard;
  for (const auto &[tensor, shard] : weightMap->value().items()) {
    if (!shard.is_string() || !isPlainFileName(shard.get_ref<const std::string &>()))
      return absl::InvalidArgumentError(absl::StrCat(
          indexPath, ": tensor ", io::quote(tensor),
          ": expected the name of a .safetensors file in the same directory, found ", json::describe(shard)));
    tensorsOfShard[shard.get<std::string>()].push_back(tensor);
  }
  for (const auto &[shard, tensors] : tensorsOfShard) {
    std::string shardPath = absl::StrCat(directory, "/", shard);
    if (!exists(shardPath))
      return absl::NotFoundError(absl::StrCat(indexPath, ": tensor ", io::quote(tensors.front()), ": shard ",
                                              io::quote(shard), " is missing"));
    absl::StatusOr<Reader> reader = Reader::open(shardPath);
    if (!reader.ok())
      return reader.status();
    for (const std::string &tensor : tensors)
      if (!reader->find(tensor))
        return absl::InvalidArgumentError(absl::StrCat(indexPath, ": tensor ", io::quote(tensor),
                                                       " is not in its shard ", io::quote(shard)));
    readers.push_back(*std::move(reader));
  }
  return absl::OkStatus();
}

std::vector<std::string> Checkpoint::files() const {
  std::vector<std::string> paths;
  for (const Reader &reader : readers)
    paths.push_back(reader.path());
  if (!shardIndexPath.empty())
    paths.push_back(shardIndexPath);
  return paths;
}

/// Lists the tensors of all shards by name, once the readers no longer move.
absl::Status Checkpoint::collect() {
  for (const Reader &reader : readers)
    for (const Tensor &tensor : reader.tensors())
      located.push_back({&tensor, &reader});
  std::sort(located.begin(), located.end(),
            [](const Located &a, const Located &b) { return a.tensor->name < b.tensor->name; });
  for (size_t i = 0; i < located.size(); ++i) {
    auto [other, isNew] = index.try_emplace(located[i].tensor->name, i);
    if (!isNew)
      return absl::InvalidArgumentError(absl::StrCat(located[i].shard->path(), ": tensor ",
                                                     io::quote(located[i].tensor->name), " is also in ",
                                                     located[other->second].shard->path()));
  }
  return absl::OkStatus();
}

Located Checkpoint::locate(absl::string_view name) const {
  auto found = index.find(name);
  return found == index.end() ? Located{nullptr, nullptr} : located[found->second];
}

const Tensor *Checkpoint::find(absl::string_view name) const { return locate(name).tensor; }

} // namespace llmc::safetensors
