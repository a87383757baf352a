//===- ArtifactFormat.h - the bytes of an artifact ----------------------------------------------------===//
//
// model.llmc, front to back:
//
//     code      an ELF shared object; the whole file is therefore a valid one and is loaded as it is
//     padding   to the page size
//     weights   mapped and used in place; parameters begin at multiples of 64 bytes
//     manifest  a protobuf message (artifact.proto)
//     footer    64 bytes, see Footer
//
// All checksums are XXH3-64. They find damage, not forgery: load artifacts only from where you would load a
// program.
//
//===------------------------------------------------------------------------------------------------===//
#ifndef LLMC_RUNTIME_CORE_ARTIFACTFORMAT_H
#define LLMC_RUNTIME_CORE_ARTIFACTFORMAT_H

#include "runtime/core/artifact.pb.h"

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include <cstdint>

namespace llmc::runtime {

/// The last bytes of the file; little-endian.
struct Footer {
  char magic[8]; ///< kFooterMagic
  uint64_t manifestOffset;
  uint64_t manifestSize;
  uint64_t manifestChecksum; ///< of the manifest's bytes
  uint64_t fileSize;         ///< of the whole file
  uint64_t reserved[2];      ///< zero
  uint64_t checksum;         ///< of the 56 bytes before
};
static_assert(sizeof(Footer) == 64);

/// Names the format and its version.
inline constexpr char kFooterMagic[9] = "LLMCART1";
inline constexpr uint64_t kWeightsAlignment = 4096;
inline constexpr uint64_t kParameterAlignment = 64;
inline constexpr uint64_t kWeightsChunkBytes = uint64_t{16} << 20;
/// Bounds that keep every sum of sizes far from overflow: more memory than any machine maps.
inline constexpr uint64_t kMaxBytes = uint64_t{1} << 47;
inline constexpr uint32_t kMaxCount = uint32_t{1} << 30;

/// XXH3-64 of `bytes`.
uint64_t checksumOf(absl::Span<const uint8_t> bytes);

/// The footer for a manifest that was written at `manifestOffset` and is the last thing before it.
Footer makeFooter(uint64_t manifestOffset, absl::Span<const uint8_t> manifest);

/// Finds and checks footer and manifest of `file`, the bytes of a whole artifact called `name` in messages.
/// The manifest's checksum, the section's bounds and all that `checkManifest` checks hold for what is
/// returned; the checksums of code and weights are not looked at.
absl::StatusOr<Manifest> readManifest(absl::string_view name, absl::Span<const uint8_t> file);

/// Whether `manifest` makes sense for a file whose sections end at byte `sectionsEnd`: every section and
/// parameter is in its place, sizes agree, at least one step can run, required fields are there.
absl::Status checkManifest(const Manifest &manifest, uint64_t sectionsEnd);

} // namespace llmc::runtime

#endif // LLMC_RUNTIME_CORE_ARTIFACTFORMAT_H
