//===- ArtifactWriter.h - writes an artifact front to back --------------------------------------------===//
#ifndef LLMC_RUNTIME_CORE_ARTIFACTWRITER_H
#define LLMC_RUNTIME_CORE_ARTIFACTWRITER_H

#include "runtime/core/ArtifactFormat.h"
#include "runtime/io/AtomicFile.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace llmc::runtime {

/// Streams an artifact to a file that appears only once it is complete. Calls come in this order: `begin`,
/// `writeCode`, then for each parameter `beginParameter` and any number of `appendParameterBytes` (or
/// `appendParameter`), at last `finish`. Memory stays small however large the weights are. Errors are one
/// line that begins with the path; after one, every later call fails too.
class ArtifactWriter {
public:
  static absl::StatusOr<ArtifactWriter> begin(absl::string_view path);

  ArtifactWriter(ArtifactWriter &&) noexcept;
  ArtifactWriter &operator=(ArtifactWriter &&) noexcept;
  ~ArtifactWriter();

  /// The code, an ELF shared object.
  absl::Status writeCode(absl::Span<const uint8_t> sharedObject);

  /// Starts a parameter of this name, shape and storage format (BlockFormat.h) at byte `offset` of the
  /// weights, where the code expects it: a multiple of kParameterAlignment that is not before the end of the
  /// parameter before. Without an offset it takes the first such place. Returns the offset.
  absl::StatusOr<uint64_t> beginParameter(absl::string_view name, absl::Span<const int64_t> shape,
                                          absl::string_view format,
                                          std::optional<uint64_t> offset = std::nullopt);

  /// More bytes of the parameter that was begun last.
  absl::Status appendParameterBytes(absl::Span<const uint8_t> bytes);

  /// A whole parameter at once.
  absl::StatusOr<uint64_t> appendParameter(absl::string_view name, absl::Span<const int64_t> shape,
                                           absl::string_view format, absl::Span<const uint8_t> bytes,
                                           std::optional<uint64_t> offset = std::nullopt);

  /// After the code, instead of parameters: an artifact without weights, which would have `bytes`.
  absl::Status leaveOutWeights(uint64_t bytes);

  /// Fills in what the writer knows (abi_version, code, weights, parameters), checks the manifest as a reader
  /// would, and gives the file its name.
  absl::Status finish(Manifest manifest);

private:
  class WeightsChecksum;
  explicit ArtifactWriter(io::AtomicFile file);

  absl::Status appendWeights(absl::Span<const uint8_t> bytes);
  absl::Status padWeightsTo(uint64_t offset);
  absl::Status misuse(absl::string_view what) const;

  io::AtomicFile file;
  Manifest written; ///< code, weights and parameters so far
  std::unique_ptr<WeightsChecksum> checksum;
};

} // namespace llmc::runtime

#endif // LLMC_RUNTIME_CORE_ARTIFACTWRITER_H
