#include "train/Program.h"

#include "runtime/core/CpuFeatures.h"
#include "runtime/io/LoadError.h"
#include "train/Hyperparameters.h"

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include <cerrno>
#include <cstring>
#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

namespace llmc::train {

absl::StatusOr<std::unique_ptr<Program>> Program::load(absl::string_view path,
                                                       const runtime::TeamOptions &threads) {
  absl::StatusOr<io::MappedFile> mapped = io::MappedFile::open(path);
  if (!mapped.ok())
    return mapped.status();
  runtime::Footer footer = {};
  const absl::Span<const uint8_t> bytes = mapped->bytes();
  if (bytes.size() >= sizeof(footer))
    std::memcpy(&footer, bytes.data() + bytes.size() - sizeof(footer), sizeof(footer));
  if (std::memcmp(footer.magic, runtime::kFooterMagic, 7) != 0 || footer.fileSize > bytes.size())
    return absl::FailedPreconditionError(
        "this program trains nothing by itself: llmc train makes trainers of it");
  const uint64_t offset = bytes.size() - footer.fileSize;
  absl::StatusOr<runtime::Manifest> manifest = runtime::readManifest(path, bytes.subspan(offset));
  if (!manifest.ok())
    return manifest.status();
  std::unique_ptr<Program> program(new Program(*std::move(mapped), *std::move(manifest)));
  absl::Status status = runtime::checkTarget(program->manifest().target());
  if (status.ok()) {
    absl::StatusOr<std::unique_ptr<runtime::Team>> team = runtime::Team::create(threads);
    status = team.status();
    if (team.ok())
      program->team = *std::move(team);
  }
  if (status.ok())
    status = program->loadCode(offset);
  if (status.ok())
    status = program->allocate();
  if (!status.ok())
    return absl::Status(status.code(), absl::StrCat(path, ": ", status.message()));
  return program;
}

Program::~Program() {
  if (team)
    team->settle();
  device.reset(); // its kernels are in the library
  if (library != nullptr)
    dlclose(library);
  if (descriptor >= 0)
    close(descriptor);
}

/// The loader takes files, and the code is a part of one: it gets a file in memory.
absl::Status Program::loadCode(uint64_t offset) {
  const absl::Span<const uint8_t> code = file.bytes().subspan(offset, contents.code().size());
  if (runtime::checksumOf(code) != contents.code().xxh3())
    return absl::DataLossError("code is damaged: its checksum does not match");
  descriptor = memfd_create("llmc-steps", MFD_CLOEXEC);
  if (descriptor < 0)
    return absl::ResourceExhaustedError(absl::StrCat("cannot create a file in memory: ", strerror(errno)));
  for (size_t done = 0; done < code.size();) {
    const ssize_t written = write(descriptor, code.data() + done, code.size() - done);
    if (written < 0 && errno == EINTR)
      continue;
    if (written < 0)
      return absl::ResourceExhaustedError(absl::StrCat("cannot load code: ", strerror(errno)));
    done += written;
  }
  const std::string name = absl::StrCat("/proc/self/fd/", descriptor);
  library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  return library != nullptr ? absl::OkStatus() : io::loadError(name, dlerror());
}

/// Pages that nothing touches cost nothing: what is kept of rows and columns is a small part of a section.
static runtime::PageSize pagesOf(absl::string_view section) {
  const bool isSparse =
      section == kRowSquaresSection || section == kColumnSquaresSection || section == kSquaresSection;
  return isSparse ? runtime::PageSize::Small : runtime::PageSize::Large;
}

absl::StatusOr<void *> Program::section(const std::string &name) {
  auto found = sections.find(name);
  if (found == sections.end()) {
    absl::StatusOr<runtime::PrivateMemory> memory =
        runtime::PrivateMemory::allocate(contents.weights().size(), name, pagesOf(name));
    if (!memory.ok())
      return memory.status();
    found = sections.emplace(name, *std::move(memory)).first;
    if (device != nullptr)
      if (absl::Status status = device->mirror(found->second.data(), found->second.size(), name);
          !status.ok())
        return status;
  }
  return found->second.data();
}

absl::Status Program::allocate() {
  if (contents.has_gpu()) {
    absl::StatusOr<std::unique_ptr<Device>> opened =
        Device::open(contents, [&](const std::string &symbol) { return dlsym(library, symbol.c_str()); });
    if (!opened.ok())
      return opened.status();
    device = *std::move(opened);
  } else {
    absl::StatusOr<runtime::PrivateMemory> activations =
        runtime::PrivateMemory::allocate(contents.arena_bytes(), "activations", runtime::PageSize::Large);
    if (!activations.ok())
      return activations.status();
    arena = *std::move(activations);
  }
  for (const char *name : {"parameters", "gradients"})
    if (absl::StatusOr<void *> made = section(name); !made.ok())
      return made.status();
  for (const std::string &state : training().states())
    if (absl::StatusOr<void *> made = section(state); !made.ok())
      return made.status();
  if (absl::Status status = setComputed(); !status.ok())
    return status;
  for (int index = 0; index < contents.steps_size(); ++index) {
    const runtime::Step &described = contents.steps(index);
    Step step;
    step.function = reinterpret_cast<LlmcStepFunction>(dlsym(library, described.symbol().c_str()));
    const runtime::StepOperands &operands = training().operands(index);
    if (step.function == nullptr || operands.names_size() != operands.elements_size())
      return absl::DataLossError(absl::StrCat("code has no step '", described.name(), "'"));
    if (absl::Status status = allocateOperands(index, step); !status.ok())
      return status;
    steps[described.name()] = std::move(step);
  }
  for (const char *needed : {"loss", "evaluate", "norms", "update"})
    if (!steps.contains(needed))
      return absl::DataLossError(absl::StrCat("code has no step '", needed, "'"));
  return absl::OkStatus();
}

/// Parameters that are computed, as positions by sines and cosines.
absl::Status Program::setComputed() {
  const runtime::PrivateMemory &parameters = sections.at("parameters");
  for (int i = 0; i < training().parameters_size(); ++i) {
    const std::string &numbers = training().initializers(i).contents();
    const uint64_t offset = training().parameters(i).offset();
    if (numbers.empty())
      continue;
    if (numbers.size() != training().parameters(i).bytes() || offset > parameters.size() ||
        numbers.size() > parameters.size() - offset)
      return absl::DataLossError(
          absl::StrCat("parameter '", training().parameters(i).name(), "' has other numbers than its shape"));
    std::memcpy(parameters.data() + offset, numbers.data(), numbers.size());
  }
  return absl::OkStatus();
}

/// Operands that are no sections lie in one piece of memory.
absl::Status Program::allocateOperands(int index, Step &step) {
  constexpr uint64_t kAlignment = 64;
  const runtime::StepOperands &operands = training().operands(index);
  auto bytesOf = [&](int i) {
    return (operands.elements(i) * sizeof(float) + kAlignment - 1) / kAlignment * kAlignment;
  };
  uint64_t bytes = 0;
  for (int i = 0; i < operands.names_size(); ++i)
    bytes += sections.contains(operands.names(i)) ? 0 : bytesOf(i);
  const std::string &name = contents.steps(index).name();
  absl::StatusOr<runtime::PrivateMemory> memory =
      runtime::PrivateMemory::allocate(bytes, absl::StrCat("operands of ", name), runtime::PageSize::Small);
  if (!memory.ok())
    return memory.status();
  step.memory = memory->data();
  uint8_t *place = memory->data();
  memories.push_back(*std::move(memory));
  if (device != nullptr && bytes > 0)
    if (absl::Status status = device->mirror(step.memory, bytes, absl::StrCat("operands of ", name));
        !status.ok())
      return status;
  for (int i = 0; i < operands.names_size(); ++i) {
    if (auto found = sections.find(operands.names(i)); found != sections.end()) {
      step.operands.push_back(found->second.data());
      continue;
    }
    step.operands.push_back(place);
    const std::string key = absl::StrCat(name, "/", operands.names(i));
    inputs[key] = place;
    sizes[key] = static_cast<int64_t>(operands.elements(i));
    place += bytesOf(i);
  }
  return absl::OkStatus();
}

absl::Status Program::run(const std::string &name) {
  const Step &step = steps.at(name);
  if (device != nullptr)
    return device->run(step.function, step.operands, step.memory);
  LlmcStep inputsOfStep = {};
  inputsOfStep.arena = arena.data();
  inputsOfStep.operands = step.operands.data();
  team->run(step.function, inputsOfStep);
  return absl::OkStatus();
}

absl::Status Program::fetch(const std::string &name) {
  return device == nullptr ? absl::OkStatus() : device->copyOut(sections.at(name).data());
}

absl::Status Program::commit(const std::string &name) {
  return device == nullptr ? absl::OkStatus() : device->copyIn(sections.at(name).data());
}

std::vector<std::string> Program::operandsWith(absl::string_view step, absl::string_view prefix) const {
  const std::string begin = absl::StrCat(step, "/", prefix);
  std::vector<std::string> names;
  for (const auto &[key, elements] : sizes)
    if (absl::StartsWith(key, begin))
      names.push_back(key.substr(step.size() + 1));
  absl::c_sort(names);
  return names;
}

bool Program::isOf(int index, Part part) const {
  const runtime::Initializer &initializer = training().initializers(index);
  if (!initializer.contents().empty())
    return false;
  if (initializer.reference() || part == Part::Reference)
    return initializer.reference() && part == Part::Reference;
  return part == Part::All || initializer.frozen() == (part == Part::Frozen);
}

std::vector<TensorView> Program::tensors(const std::string &name, Part part) {
  std::vector<TensorView> views;
  uint8_t *base = sections.at(name).data();
  for (int i = 0; i < training().parameters_size(); ++i) {
    if (!isOf(i, part))
      continue;
    const runtime::Parameter &parameter = training().parameters(i);
    TensorView view;
    view.name = part == Part::Reference ? training().initializers(i).first_name() : parameter.name();
    const std::vector<int64_t> whole(parameter.shape().begin(), parameter.shape().end());
    std::optional<std::vector<int64_t>> shape = shapeIn(name, whole);
    if (!shape)
      continue;
    view.shape = *std::move(shape);
    view.data = reinterpret_cast<float *>(base + parameter.offset());
    view.transposed = training().initializers(i).transposed() && view.shape.size() == whole.size();
    view.row = training().initializers(i).row() && view.shape == whole;
    view.otherName = training().initializers(i).first_name();
    view.optional = training().initializers(i).optional() && part != Part::Reference;
    views.push_back(std::move(view));
  }
  return views;
}

uint64_t Program::stateBytes() {
  if (device != nullptr) // it mirrors sections as a whole
    return sections.size() * contents.weights().size();
  uint64_t bytes = 0;
  for (const auto &[name, memory] : sections)
    for (const TensorView &tensor : tensors(name, name == "parameters" ? Part::All : Part::Trained))
      bytes += elementsOf(tensor) * sizeof(float);
  for (const TensorView &tensor : tensors("parameters", Part::Reference))
    bytes += elementsOf(tensor) * sizeof(float);
  return bytes;
}

} // namespace llmc::train
