//===- ArtifactFile.h - an artifact as data -----------------------------------------------------------===//
#ifndef LLMC_RUNTIME_CORE_ARTIFACTFILE_H
#define LLMC_RUNTIME_CORE_ARTIFACTFILE_H

#include "runtime/core/ArtifactFormat.h"
#include "runtime/io/MappedFile.h"

#include <string>

namespace llmc::runtime {

/// Weights of up to this size are checked whenever an artifact is loaded: two cores read it in less than two
/// seconds, and the first step reads all weights anyway. Larger ones would keep people waiting at each start.
inline constexpr uint64_t kMaxAutoVerifyBytes = uint64_t{8} << 30;

/// Whether the checksums of the weights are compared. Those of code and manifest always are.
enum class Verify {
  Auto,   ///< weights of up to kMaxAutoVerifyBytes are checked
  Always, ///< all weights are checked
  Never,  ///< no weights are checked
};

/// A mapped artifact whose manifest and code have been checked. Nothing in it is executed, so it may be for
/// any machine.
class ArtifactFile {
public:
  /// Maps and checks the file. Errors are one line that begins with the path.
  static absl::StatusOr<ArtifactFile> open(absl::string_view path, Verify verify = Verify::Auto);

  const std::string &path() const { return file.path(); }
  uint64_t fileSize() const { return file.size(); }
  const Manifest &manifest() const { return contents; }

  /// The sections; valid as long as this object or one it was moved to lives.
  absl::Span<const uint8_t> code() const;
  absl::Span<const uint8_t> weights() const;

private:
  ArtifactFile(io::MappedFile file, Manifest manifest)
      : file(std::move(file)), contents(std::move(manifest)) {}

  absl::Status verifyCode() const;
  absl::Status verifyWeights() const;

  io::MappedFile file;
  Manifest contents;
};

} // namespace llmc::runtime

#endif // LLMC_RUNTIME_CORE_ARTIFACTFILE_H
