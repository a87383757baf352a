//===- Program.h - the compiled steps of a trainer ------------------------------------------------------===//
#ifndef LLMC_TRAIN_PROGRAM_H
#define LLMC_TRAIN_PROGRAM_H

#include "runtime/core/ArtifactFormat.h"
#include "runtime/core/PrivateMemory.h"
#include "runtime/core/Team.h"
#include "runtime/io/MappedFile.h"
#include "train/Device.h"
#include "train/Safetensors.h"

#include "absl/container/flat_hash_map.h"

#include <memory>
#include <string>
#include <vector>

namespace llmc::train {

/// Which parameters: all of the model that learns, those that change, those that stay as they are, or those
/// of the model beside it. What is computed, and in no checkpoint, belongs to none.
enum class Part { All, Trained, Frozen, Reference };

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

  bool hasStep(const std::string &name) const { return steps.contains(name); }
  /// Runs the step `name`.
  absl::Status run(const std::string &name);

  /// The memory of an operand of the step `name`: [elements].
  template <typename T> T *operand(const std::string &step, const std::string &name) {
    return static_cast<T *>(inputs.at(step + "/" + name));
  }

  /// How many numbers an operand has.
  int64_t elements(const std::string &step, const std::string &name) const {
    return sizes.at(step + "/" + name);
  }

  /// Whether the step `step` has an operand `name`.
  bool hasOperand(const std::string &step, const std::string &name) const {
    return inputs.contains(step + "/" + name);
  }

  /// The operands of the step `step` whose names begin with `prefix`, sorted.
  std::vector<std::string> operandsWith(absl::string_view step, absl::string_view prefix) const;

  /// Whether parameter `index` belongs to `part`.
  bool isOf(int index, Part part) const;

  /// The parameters of `part`, or what a section holds for those of which it holds something. Where steps run
  /// on a GPU, fetch() brings what they made here, and commit() takes what was written to them.
  std::vector<TensorView> tensors(const std::string &section, Part part = Part::All);
  absl::Status fetch(const std::string &section);
  absl::Status commit(const std::string &section);

  /// The GPU's name, or nothing.
  std::string deviceName() const { return device == nullptr ? "" : device->name(); }
  /// The GPU that steps run on, or null.
  Device *gpu() const { return device.get(); }

  /// Bytes of what sections have of parameters (on a GPU: of sections), and of activations.
  uint64_t stateBytes();
  uint64_t arenaBytes() const { return contents.arena_bytes(); }

private:
  struct Step {
    LlmcStepFunction function = nullptr;
    std::vector<void *> operands;
    void *memory = nullptr; ///< of those that are no sections
  };

  Program(io::MappedFile file, runtime::Manifest manifest)
      : file(std::move(file)), contents(std::move(manifest)) {}

  absl::Status loadCode(uint64_t offset);
  absl::Status allocate();
  absl::Status setComputed();
  absl::StatusOr<void *> section(const std::string &name);
  absl::Status allocateOperands(int index, Step &step);

  io::MappedFile file;
  runtime::Manifest contents;
  int descriptor =
      -1; ///< of the library's file, open as long as it is: names of such files are their numbers
  void *library = nullptr;
  std::unique_ptr<runtime::Team> team;
  std::unique_ptr<Device> device; ///< of steps that run on a GPU
  runtime::PrivateMemory arena;
  std::vector<runtime::PrivateMemory> memories;
  absl::flat_hash_map<std::string, runtime::PrivateMemory> sections;
  absl::flat_hash_map<std::string, void *> inputs; ///< "step/operand"
  absl::flat_hash_map<std::string, int64_t> sizes; ///< their elements
  absl::flat_hash_map<std::string, Step> steps;
};

} // namespace llmc::train

#endif // LLMC_TRAIN_PROGRAM_H
