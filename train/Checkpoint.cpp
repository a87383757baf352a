#include "train/Checkpoint.h"

#include "runtime/core/ArtifactFormat.h"
#include "runtime/io/AtomicFile.h"
#include "runtime/io/MappedFile.h"
#include "train/Hyperparameters.h"

#include "absl/algorithm/container.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <unistd.h>

namespace llmc::train {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

static constexpr absl::string_view kPrefix = "checkpoint-", kPartial = ".partial-checkpoint-";

std::string checkpointPath(absl::string_view output, uint64_t step) {
  return absl::StrFormat("%s/%s%08d", output, kPrefix, step);
}

std::vector<uint64_t> listCheckpoints(absl::string_view output) {
  std::vector<uint64_t> steps;
  std::error_code error;
  for (const fs::directory_entry &entry : fs::directory_iterator(std::string(output), error)) {
    const std::string name = entry.path().filename().string();
    absl::string_view number = name;
    uint64_t step = 0;
    if (absl::ConsumePrefix(&number, kPrefix) && absl::SimpleAtoi(number, &step))
      steps.push_back(step);
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

/// Makes the folder of the file at `path`.
static absl::Status makeParent(const std::string &path) {
  const fs::path parent = fs::path(path).parent_path();
  std::error_code error;
  fs::create_directories(parent, error);
  return error ? absl::UnavailableError(absl::StrCat(parent.string(), ": cannot be made: ", error.message()))
               : absl::OkStatus();
}

static absl::Status writeFile(const std::string &path, absl::string_view contents) {
  if (absl::Status status = makeParent(path); !status.ok())
    return status;
  absl::StatusOr<io::AtomicFile> file = io::AtomicFile::create(path);
  if (!file.ok())
    return file.status();
  (void)file->append(contents);
  return file->commit();
}

/// Makes the names in `folder` durable.
static void syncFolder(const std::string &folder) {
  const int descriptor = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0)
    return;
  (void)fsync(descriptor);
  close(descriptor);
}

namespace {
/// A file of tensors, and where they are in the program.
struct CheckpointTensors {
  std::string name, section;
  Part part;
  /// Whether parameters that stay as they are stand beside, so that it is a whole model.
  bool isModel = false;
};
} // namespace

static std::vector<CheckpointTensors> tensorFiles(const Program &program) {
  std::vector<CheckpointTensors> files;
  const bool isAdapter = program.training().adapter();
  const std::string model = isAdapter ? "adapter_model.safetensors" : "model.safetensors";
  files.push_back({model, "parameters", isAdapter ? Part::Trained : Part::All});
  for (const std::string &state : program.training().states())
    if (state == kAverageSection)
      files.push_back({absl::StrCat(kAverageSection, "/", model), state, Part::Trained, !isAdapter});
    else
      files.push_back({state + ".safetensors", state, Part::Trained});
  return files;
}

static std::string checksum(absl::Span<const uint8_t> bytes) {
  return absl::StrFormat("%016x", runtime::checksumOf(bytes));
}

/// The file at `path` of a checkpoint. One that is there and cannot be read is damaged.
static absl::StatusOr<io::MappedFile> openFile(const std::string &path) {
  absl::StatusOr<io::MappedFile> file = io::MappedFile::open(path);
  if (absl::IsInvalidArgument(file.status())) // such as an empty one
    return absl::DataLossError(file.status().message());
  return file;
}

/// Of the file at `path`.
static absl::StatusOr<std::string> fileChecksum(const std::string &path) {
  absl::StatusOr<io::MappedFile> file = openFile(path);
  if (!file.ok())
    return file.status();
  return checksum(file->bytes());
}

/// Of what trainer.json says beside its own checksum.
static std::string stateChecksum(Json json) {
  json.erase("checksum");
  const std::string text = json.dump();
  return checksum(absl::MakeConstSpan(reinterpret_cast<const uint8_t *>(text.data()), text.size()));
}

static absl::Status writeParts(const std::string &folder, Program &program, const Progress &progress) {
  Json checksums;
  for (const CheckpointTensors &file : tensorFiles(program)) {
    absl::Status status = program.fetch(file.section);
    std::vector<TensorView> tensors = program.tensors(file.section, file.part);
    if (file.isModel)
      for (TensorView &tensor : program.tensors("parameters", Part::Frozen))
        tensors.push_back(std::move(tensor));
    if (status.ok())
      status = makeParent(absl::StrCat(folder, "/", file.name));
    if (status.ok())
      status = writeSafetensors(absl::StrCat(folder, "/", file.name), tensors);
    if (!status.ok())
      return status;
    absl::StatusOr<std::string> sum = fileChecksum(absl::StrCat(folder, "/", file.name));
    if (!sum.ok())
      return sum.status();
    checksums[file.name] = *sum;
  }
  std::vector<std::string> models = {folder};
  if (absl::c_linear_search(program.training().states(), kAverageSection))
    models.push_back(absl::StrCat(folder, "/", kAverageSection));
  for (const std::string &model : models)
    for (const runtime::CheckpointFile &file : program.training().files())
      if (absl::Status status = writeFile(absl::StrCat(model, "/", file.name()), file.contents());
          !status.ok())
        return status;
  Json json = {{"step", progress.step},
               {"epoch", progress.data.epoch},
               {"document", progress.data.document},
               {"token", progress.data.token},
               {"best_step", progress.bestStep},
               {"loss_scale", progress.lossScale.scale},
               {"steps_of_scale", progress.lossScale.steps},
               {"skipped_steps", progress.lossScale.skipped}};
  if (std::isfinite(progress.bestLoss))
    json["best_loss"] = progress.bestLoss;
  json["files"] = checksums;
  json["checksum"] = stateChecksum(json);
  return writeFile(folder + "/trainer.json", json.dump(2) + "\n");
}

absl::Status saveCheckpoint(absl::string_view output, Program &program, const Progress &progress) {
  const std::string final = checkpointPath(output, progress.step);
  const std::string partial = absl::StrCat(output, "/", kPartial, progress.step);
  std::error_code error;
  fs::remove_all(partial, error);
  fs::create_directories(partial, error);
  if (error)
    return absl::UnavailableError(absl::StrCat(partial, ": cannot be made: ", error.message()));
  if (absl::Status status = writeParts(partial, program, progress); !status.ok()) {
    fs::remove_all(partial, error);
    return status;
  }
  syncFolder(partial);
  fs::remove_all(final, error); // of a run that was made again
  fs::rename(partial, final, error);
  if (error)
    return absl::UnavailableError(absl::StrCat(final, ": cannot be given its name: ", error.message()));
  syncFolder(std::string(output));
  return absl::OkStatus();
}

/// Reads trainer.json at `path`.
static absl::StatusOr<Json> readState(const std::string &path) {
  absl::StatusOr<io::MappedFile> file = openFile(path);
  if (!file.ok())
    return file.status();
  const Json json = Json::parse(file->bytes().begin(), file->bytes().end(), /*callback=*/nullptr,
                                /*allow_exceptions=*/false);
  if (json.is_object() && !json.contains("checksum") && json.contains("step"))
    return absl::FailedPreconditionError(absl::StrCat(
        path, ": has no checksum, as those that an earlier llmc wrote, expected one of this version"));
  if (!json.is_object() || json.value("checksum", Json()) != stateChecksum(json))
    return absl::DataLossError(absl::StrCat(path, ": is damaged: its checksum does not match"));
  return json;
}

/// Compares the file `name` of a checkpoint with the checksum that `state` has of it.
static absl::Status checkFile(absl::string_view folder, const std::string &name, const Json &state) {
  const std::string path = absl::StrCat(folder, "/", name);
  absl::StatusOr<std::string> found = fileChecksum(path);
  if (!found.ok())
    return found.status();
  const Json files = state.value("files", Json::object());
  if (files.is_object() && files.contains(name) && files[name] == *found)
    return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(path, ": is damaged: its checksum is not the one in trainer.json"));
}

absl::StatusOr<Progress> loadCheckpoint(absl::string_view folder, Program &program) {
  const std::string path = absl::StrCat(folder, "/trainer.json");
  absl::StatusOr<Json> state = readState(path);
  if (!state.ok())
    return state.status();
  const Json &json = *state;
  Progress progress;
  auto number = [&](const char *name) -> absl::StatusOr<uint64_t> {
    if (!json.contains(name) || !json[name].is_number_unsigned())
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": field '", name, "' is missing or no number, expected one from 0 on"));
    return json[name].get<uint64_t>();
  };
  uint64_t document = 0, token = 0;
  const std::pair<const char *, uint64_t *> fields[] = {{"step", &progress.step},
                                                        {"epoch", &progress.data.epoch},
                                                        {"document", &document},
                                                        {"token", &token},
                                                        {"best_step", &progress.bestStep},
                                                        {"loss_scale", &progress.lossScale.scale},
                                                        {"steps_of_scale", &progress.lossScale.steps},
                                                        {"skipped_steps", &progress.lossScale.skipped}};
  for (auto [name, target] : fields) {
    absl::StatusOr<uint64_t> value = number(name);
    if (!value.ok())
      return value.status();
    *target = *value;
  }
  progress.data.document = static_cast<int64_t>(document);
  progress.data.token = static_cast<int64_t>(token);
  if (json.contains("best_loss") && json["best_loss"].is_number())
    progress.bestLoss = json["best_loss"].get<double>();
  for (const CheckpointTensors &tensors : tensorFiles(program)) {
    std::vector<TensorView> views = program.tensors(tensors.section, tensors.part);
    for (TensorView &view : views) // what was saved here has all
      view.optional = false;
    absl::Status status = checkFile(folder, tensors.name, json);
    if (status.ok())
      status = readSafetensors(absl::StrCat(folder, "/", tensors.name), views);
    if (status.ok())
      status = program.commit(tensors.section);
    if (!status.ok())
      return status;
  }
  return progress;
}

void removeCheckpoint(absl::string_view output, uint64_t step) {
  std::error_code error;
  fs::remove_all(checkpointPath(output, step), error);
}

void removeOldCheckpoints(absl::string_view output, uint64_t keep, uint64_t best) {
  std::error_code error;
  for (const fs::directory_entry &entry : fs::directory_iterator(std::string(output), error))
    if (absl::StartsWith(entry.path().filename().string(), kPartial))
      fs::remove_all(entry.path(), error);
  std::vector<uint64_t> steps = listCheckpoints(output);
  for (size_t i = 0; i + keep < steps.size(); ++i)
    if (steps[i] != best)
      removeCheckpoint(output, steps[i]);
}

} // namespace llmc::train
