#include "frontend/gguf/Parts.h"

#include <optional>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include "runtime/io/Message.h"

namespace llmc::gguf {

namespace {

// As llama.cpp's gguf-split writes them.
constexpr absl::string_view kPartKey = "split.no";
constexpr absl::string_view kCountKey = "split.count";
constexpr absl::string_view kTensorsKey = "split.tensors.count";
constexpr int64_t kMostParts = 65535;

/// What the names of part `part` (from 0) of `count` end with.
std::string suffixOf(int64_t part, int64_t count) {
  return absl::StrFormat("-%05d-of-%05d.gguf", part + 1, count);
}

absl::Status errorIn(const Reader &reader, absl::string_view message) {
  return absl::InvalidArgumentError(absl::StrCat(reader.path(), ": ", message));
}

/// Checks that `reader` is part `part` of `count`.
absl::Status checkPart(const Reader &reader, int64_t part, int64_t count) {
  for (auto [key, expected] : {std::pair(kPartKey, part), std::pair(kCountKey, count)}) {
    absl::StatusOr<int64_t> found = reader.integer(key);
    if (!found.ok())
      return found.status();
    if (*found != expected)
      return errorIn(reader, absl::StrCat("metadata '", key, "' is ", *found, ", expected ", expected,
                                          " in part ", part + 1, " of ", count));
  }
  return absl::OkStatus();
}

/// Checks that no tensor is in two parts, and that there are as many as the first part says.
absl::Status checkTensors(const std::vector<Reader> &parts) {
  absl::flat_hash_map<absl::string_view, const Reader *> owners;
  for (const Reader &part : parts)
    for (const Tensor &tensor : part.tensors())
      if (auto [owner, isNew] = owners.try_emplace(tensor.name, &part); !isNew)
        return errorIn(
            part, absl::StrCat("tensor ", io::quote(tensor.name), " is in ", owner->second->path(), " too"));
  const Reader &first = parts.front();
  absl::StatusOr<int64_t> expected = first.integerOr(kTensorsKey, static_cast<int64_t>(owners.size()));
  if (!expected.ok())
    return expected.status();
  if (*expected != static_cast<int64_t>(owners.size()))
    return errorIn(first, absl::StrCat("metadata '", kTensorsKey, "' is ", *expected, ", but the ",
                                       parts.size(), " parts have ", owners.size(), " tensors"));
  return absl::OkStatus();
}

} // namespace

absl::StatusOr<std::vector<Reader>> openParts(absl::string_view path) {
  absl::StatusOr<Reader> first = Reader::open(path);
  if (!first.ok())
    return first.status();
  std::vector<Reader> parts;
  parts.push_back(*std::move(first));
  const Reader &start = parts.front();
  absl::StatusOr<int64_t> count = start.integerOr(kCountKey, 1);
  absl::StatusOr<int64_t> part = start.integerOr(kPartKey, 0);
  if (!count.ok() || !part.ok())
    return count.ok() ? part.status() : count.status();
  if (*count <= 1)
    return parts;
  if (*count > kMostParts || *part < 0 || *part >= *count)
    return errorIn(start, absl::StrCat("is part ", *part + 1, " of ", *count, ", expected one of 2 to ",
                                       kMostParts, " parts"));
  if (!absl::EndsWith(path, suffixOf(*part, *count)))
    return errorIn(start, absl::StrCat("is part ", *part + 1, " of ", *count,
                                       " by its metadata, expected a name that ends with '",
                                       suffixOf(*part, *count), "'"));
  const absl::string_view stem = path.substr(0, path.size() - suffixOf(*part, *count).size());
  if (*part != 0)
    return errorIn(start, absl::StrCat("is part ", *part + 1, " of ", *count, ", expected the first: ", stem,
                                       suffixOf(0, *count)));
  for (int64_t next = 1; next < *count; ++next) {
    absl::StatusOr<Reader> reader = Reader::open(absl::StrCat(stem, suffixOf(next, *count)));
    if (!reader.ok())
      return io::withContext(absl::StrCat("part ", next + 1, " of ", *count, " of ", path), reader.status());
    if (absl::Status status = checkPart(*reader, next, *count); !status.ok())
      return status;
    parts.push_back(*std::move(reader));
  }
  if (absl::Status status = checkTensors(parts); !status.ok())
    return status;
  return parts;
}

} // namespace llmc::gguf
