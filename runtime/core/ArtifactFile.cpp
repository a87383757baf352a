#include "runtime/core/ArtifactFile.h"

#include "runtime/core/Cpus.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <atomic>
#include <system_error>
#include <thread>
#include <vector>

namespace llmc::runtime {

absl::StatusOr<ArtifactFile> ArtifactFile::open(absl::string_view path, Verify verify) {
  absl::StatusOr<io::MappedFile> mapped = io::MappedFile::open(path);
  if (!mapped.ok())
    return mapped.status();
  absl::StatusOr<Manifest> manifest = readManifest(path, mapped->bytes());
  if (!manifest.ok())
    return manifest.status();
  ArtifactFile artifact(*std::move(mapped), *std::move(manifest));
  if (absl::Status status = artifact.verifyCode(); !status.ok())
    return status;
  const bool wanted = verify == Verify::Always ||
                      (verify == Verify::Auto && artifact.weights().size() <= kMaxAutoVerifyBytes);
  if (wanted)
    if (absl::Status status = artifact.verifyWeights(); !status.ok())
      return status;
  return artifact;
}

absl::Span<const uint8_t> ArtifactFile::code() const {
  return file.bytes().subspan(contents.code().offset(), contents.code().size());
}

absl::Span<const uint8_t> ArtifactFile::weights() const {
  if (contents.weights().absent())
    return {};
  return file.bytes().subspan(contents.weights().offset(), contents.weights().size());
}

absl::Status ArtifactFile::verifyCode() const {
  if (checksumOf(code()) == contents.code().xxh3())
    return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(path(), ": code is damaged: its checksum does not match"));
}

absl::Status ArtifactFile::verifyWeights() const {
  const Weights &section = contents.weights();
  const int chunks = section.chunk_xxh3_size();
  // The first damaged chunk, so that the message does not depend on the threads.
  std::atomic<int> next{0}, damaged{chunks};
  const auto work = [&] {
    for (int chunk; (chunk = next.fetch_add(1)) < damaged.load();) {
      const uint64_t begin = chunk * section.chunk_bytes();
      if (checksumOf(weights().subspan(begin, section.chunk_bytes())) == section.chunk_xxh3(chunk))
        continue;
      int first = damaged.load();
      while (chunk < first && !damaged.compare_exchange_weak(first, chunk)) {
      }
    }
  };
  std::vector<std::thread> threads;
  try {
    for (int i = 1; i < std::min(availablePhysicalCpus(), chunks); ++i)
      threads.emplace_back(work);
  } catch (const std::system_error &) {
    // Fewer threads check the same.
  }
  work();
  for (std::thread &thread : threads)
    thread.join();
  if (damaged == chunks)
    return absl::OkStatus();
  const uint64_t begin = damaged * section.chunk_bytes();
  const uint64_t end = std::min(section.size(), begin + section.chunk_bytes());
  return absl::DataLossError(absl::StrCat(path(), ": weights are damaged between bytes ",
                                          section.offset() + begin, " and ", section.offset() + end,
                                          ": their checksum does not match"));
}

} // namespace llmc::runtime
