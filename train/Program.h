//===- Program.h - the compiled steps of a trainer ------------------------------------------------------===//
#ifndef LLMC_TRAIN_PROGRAM_H
#define LLMC_TRAIN_PROGRAM_H

#include "runtime/core/ArtifactFormat.h"
#include "runtime/core/PrivateMemory.h"
#include "runtime/core/Team.h"
#include "runtime/io/MappedFile.h"
#include "train/Safetensors.h"

#include "absl/container/flat_hash_map.h"

#include <memory>
#include <string>
#include <vector>

namespace llmc::train {

/// The artifact behind a trainer's program: its steps, loaded, and all memory that they work on. Errors are
/// one line.
class Program {
public:
  /// Loads the artifact at the end of the file at `path`, which is this program.
  static absl::StatusOr<std::unique_ptr<Program>> load(absl::string_view path,
                                                       const runtime::TeamOptions &threads);
  ~Program();

  const runtime::Manifest &manifest() const { return contents; }
  const runtime::Training &training() const { return contents.training(); }
  int threads() const { return team->size(); }

  /// Runs the step `name`.
  void run(const std::string &name);

  /// The memory of an operand of the step `name`: [elements].
  template <typename T> T *operand(const std::string &step, const std::string &name) {
    return static_cast<T *>(inputs.at(step + "/" + name));
  }

  /// All parameters, or what a section holds for them.
  std::vector<TensorView> tensors(const std::string &section);
  /// Sets all of a section to zero.
  void clear(const std::string &section);

  /// Bytes of all sections, and of activations.
  uint64_t stateBytes() const;
  uint64_t arenaBytes() const { return contents.arena_bytes(); }

private:
  struct Step {
    LlmcStepFunction function = nullptr;
    std::vector<void *> operands;
  };

  Program(io::MappedFile file, runtime::Manifest manifest)
      : file(std::move(file)), contents(std::move(manifest)) {}

  absl::Status loadCode(uint64_t offset);
  absl::Status allocate();
  absl::StatusOr<void *> section(const std::string &name);

  io::MappedFile file;
  runtime::Manifest contents;
  void *library = nullptr;
  std::unique_ptr<runtime::Team> team;
  runtime::PrivateMemory arena;
  std::vector<runtime::PrivateMemory> memories;
  absl::flat_hash_map<std::string, runtime::PrivateMemory> sections;
  absl::flat_hash_map<std::string, void *> inputs; ///< "step/operand"
  absl::flat_hash_map<std::string, Step> steps;
};

} // namespace llmc::train

#endif // LLMC_TRAIN_PROGRAM_H
