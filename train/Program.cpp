#include "train/Program.h"

#include "runtime/core/CpuFeatures.h"
#include "runtime/io/LoadError.h"

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
  if (library != nullptr)
    dlclose(library);
}

/// The loader takes files, and the code is a part of one: it gets a file in memory.
absl::Status Program::loadCode(uint64_t offset) {
  const absl::Span<const uint8_t> code = file.bytes().subspan(offset, contents.code().size());
  if (runtime::checksumOf(code) != contents.code().xxh3())
    return absl::DataLossError("code is damaged: its checksum does not match");
  const int descriptor = memfd_create("llmc-steps", MFD_CLOEXEC);
  if (descriptor < 0)
    return absl::ResourceExhaustedError(absl::StrCat("cannot create a file in memory: ", strerror(errno)));
  for (size_t done = 0; done < code.size();) {
    const ssize_t written = write(descriptor, code.data() + done, code.size() - done);
    if (written < 0 && errno == EINTR)
      continue;
    if (written < 0) {
      absl::Status status = absl::ResourceExhaustedError(absl::StrCat("cannot load code: ", strerror(errno)));
      close(descriptor);
      return status;
    }
    done += written;
  }
  const std::string name = absl::StrCat("/proc/self/fd/", descriptor);
  library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  absl::Status status = library != nullptr ? absl::OkStatus() : io::loadError(name, dlerror());
  close(descriptor);
  return status;
}

absl::StatusOr<void *> Program::section(const std::string &name) {
  auto found = sections.find(name);
  if (found == sections.end()) {
    absl::StatusOr<runtime::PrivateMemory> memory =
        runtime::PrivateMemory::allocate(contents.weights().size(), name, runtime::PageSize::Large);
    if (!memory.ok())
      return memory.status();
    found = sections.emplace(name, *std::move(memory)).first;
  }
  return found->second.data();
}

absl::Status Program::allocate() {
  absl::StatusOr<runtime::PrivateMemory> activations =
      runtime::PrivateMemory::allocate(contents.arena_bytes(), "activations", runtime::PageSize::Large);
  if (!activations.ok())
    return activations.status();
  arena = *std::move(activations);
  for (const char *name : {"parameters", "gradients"})
    if (absl::StatusOr<void *> made = section(name); !made.ok())
      return made.status();
  for (const std::string &state : training().states())
    if (absl::StatusOr<void *> made = section(state); !made.ok())
      return made.status();
  for (int index = 0; index < contents.steps_size(); ++index) {
    const runtime::Step &described = contents.steps(index);
    const runtime::StepOperands &operands = training().operands(index);
    Step step;
    step.function = reinterpret_cast<LlmcStepFunction>(dlsym(library, described.symbol().c_str()));
    if (step.function == nullptr || operands.names_size() != operands.elements_size())
      return absl::DataLossError(absl::StrCat("code has no step '", described.name(), "'"));
    for (int i = 0; i < operands.names_size(); ++i) {
      const std::string &name = operands.names(i);
      if (sections.contains(name)) {
        step.operands.push_back(sections.at(name).data());
        continue;
      }
      absl::StatusOr<runtime::PrivateMemory> memory = runtime::PrivateMemory::allocate(
          operands.elements(i) * sizeof(float), name, runtime::PageSize::Small);
      if (!memory.ok())
        return memory.status();
      step.operands.push_back(memory->data());
      inputs[absl::StrCat(described.name(), "/", name)] = memory->data();
      memories.push_back(*std::move(memory));
    }
    steps[described.name()] = std::move(step);
  }
  for (const char *needed : {"loss", "evaluate", "norms", "update"})
    if (!steps.contains(needed))
      return absl::DataLossError(absl::StrCat("code has no step '", needed, "'"));
  return absl::OkStatus();
}

void Program::run(const std::string &name) {
  const Step &step = steps.at(name);
  LlmcStep inputsOfStep = {};
  inputsOfStep.arena = arena.data();
  inputsOfStep.operands = step.operands.data();
  team->run(step.function, inputsOfStep);
}

std::vector<TensorView> Program::tensors(const std::string &name) {
  std::vector<TensorView> views;
  uint8_t *base = sections.at(name).data();
  for (int i = 0; i < training().parameters_size(); ++i) {
    const runtime::Parameter &parameter = training().parameters(i);
    TensorView view;
    view.name = parameter.name();
    view.shape.assign(parameter.shape().begin(), parameter.shape().end());
    view.data = reinterpret_cast<float *>(base + parameter.offset());
    view.transposed = training().initializers(i).transposed();
    views.push_back(std::move(view));
  }
  return views;
}

void Program::clear(const std::string &name) { sections.at(name).clear(); }

uint64_t Program::stateBytes() const { return sections.size() * contents.weights().size(); }

} // namespace llmc::train
