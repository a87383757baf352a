//===- Artifact.h - a loaded artifact, ready to run ---------------------------------------------------===//
#ifndef LLMC_RUNTIME_CORE_ARTIFACT_H
#define LLMC_RUNTIME_CORE_ARTIFACT_H

#include "runtime/core/ArtifactFile.h"
#include "runtime/core/PrivateMemory.h"
#include "runtime/core/StepAbi.h"
#include "runtime/cuda/Program.h"

#include <memory>
#include <optional>
#include <vector>

namespace llmc::runtime {

/// What becomes of an artifact that was compiled without weights.
enum class AbsentWeights {
  Refuse,
  Random, ///< it gets numbers that have no meaning, to measure how fast it is
};

/// The code of an artifact, loaded into this process, and its weights, mapped and not copied. Immutable: any
/// number of sessions on any threads share one.
class Artifact {
public:
  struct Step {
    LlmcStepFunction function;
    int64_t maxRows;
    int number; ///< in the manifest
  };

  /// Checks that the artifact is whole and made for this machine, and loads it. Errors are one line that
  /// begins with the path, e.g. `model.llmc: artifact was compiled for sapphirerapids and needs avx512vnni,
  /// which this CPU lacks`.
  static absl::StatusOr<std::shared_ptr<const Artifact>>
  load(absl::string_view path, Verify verify = Verify::Auto, AbsentWeights absent = AbsentWeights::Refuse);

  ~Artifact();
  Artifact(const Artifact &) = delete;
  Artifact &operator=(const Artifact &) = delete;

  const std::string &path() const { return file.path(); }
  const Manifest &manifest() const { return file.manifest(); }
  /// The weights section, page aligned.
  absl::Span<const uint8_t> weights() const {
    return manifest().weights().absent() ? absl::MakeConstSpan(randomWeights.data(), randomWeights.size())
                                         : file.weights();
  }
  /// The steps by rising maxRows, without the one that reads a source.
  absl::Span<const Step> steps() const { return stepFunctions; }
  /// The step that reads a source; null if the model has none.
  const Step *sourceStep() const { return reading ? &*reading : nullptr; }
  /// How long `load` took.
  double loadSeconds() const { return seconds; }

  /// Of an artifact for GPUs: its kernels and weights on the device. Null for others.
  const cuda::Program *gpu() const { return onDevice.get(); }

  /// The step for `rows` tokens that are left to do: the smallest that takes them all, else the largest.
  const Step &stepFor(int64_t rows) const;

private:
  explicit Artifact(ArtifactFile file) : file(std::move(file)) {}

  absl::Status loadCode();
  absl::Status checkLoadedCode() const;

  absl::Status makeRandomWeights();

  ArtifactFile file;
  PrivateMemory randomWeights; ///< of an artifact without its own
  void *library = nullptr;
  std::unique_ptr<cuda::Program> onDevice;
  std::vector<Step> stepFunctions;
  std::optional<Step> reading;
  double seconds = 0;
};

} // namespace llmc::runtime

#endif // LLMC_RUNTIME_CORE_ARTIFACT_H
