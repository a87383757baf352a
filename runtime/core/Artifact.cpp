#include "runtime/core/Artifact.h"

#include "runtime/core/CpuFeatures.h"
#include "runtime/io/LoadError.h"

#include "absl/algorithm/container.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <dlfcn.h>
#include <elf.h>

namespace llmc::runtime {

/// If this code is part of a library that was loaded privately (a Python extension, a plug-in), its symbols
/// are not visible to what it loads in turn. Makes those of this library visible, once; in a program it
/// changes nothing.
static void exportRegionNext() {
  static const bool once = [] {
    Dl_info self;
    return dladdr(reinterpret_cast<void *>(&llmc_region_next), &self) != 0 &&
           dlopen(self.dli_fname, RTLD_NOW | RTLD_GLOBAL | RTLD_NOLOAD) != nullptr;
  }();
  static_cast<void>(once);
}

absl::StatusOr<std::shared_ptr<const Artifact>> Artifact::load(absl::string_view path, Verify verify,
                                                               AbsentWeights absent) {
  const auto start = std::chrono::steady_clock::now();
  absl::StatusOr<ArtifactFile> file = ArtifactFile::open(path, verify);
  if (!file.ok())
    return file.status();
  std::shared_ptr<Artifact> artifact(new Artifact(*std::move(file)));
  absl::Status status = checkTarget(artifact->manifest().target());
  if (status.ok() && artifact->manifest().weights().absent())
    status = absent == AbsentWeights::Random
                 ? artifact->makeRandomWeights()
                 : absl::FailedPreconditionError("was compiled without weights (--weights=none): llmc bench "
                                                 "measures it, nothing else runs it");
  if (status.ok())
    status = artifact->loadCode();
  if (status.ok() && artifact->manifest().has_gpu()) {
    auto program = cuda::Program::load(
        artifact->manifest().gpu(), artifact->weights(),
        [&](const std::string &symbol) -> const void * { return dlsym(artifact->library, symbol.c_str()); });
    status = program.status();
    if (program.ok())
      artifact->onDevice = *std::move(program);
  }
  if (!status.ok())
    return absl::Status(status.code(), absl::StrCat(path, ": ", status.message()));
  artifact->seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return artifact;
}

Artifact::~Artifact() {
  onDevice.reset(); // its images are in the library
  if (library != nullptr)
    dlclose(library);
}

absl::Status Artifact::makeRandomWeights() {
  absl::StatusOr<PrivateMemory> memory =
      PrivateMemory::allocate(manifest().weights().size(), "weights", PageSize::Large);
  if (!memory.ok())
    return memory.status();
  randomWeights = *std::move(memory);
  // Halves of 16 bits that are small numbers of bf16, ordinary ones of f16 and random codes: 64 KiB,
  // repeated.
  constexpr size_t kPattern = 65536;
  std::vector<uint16_t> pattern(kPattern / sizeof(uint16_t));
  uint32_t state = 1;
  for (uint16_t &half : pattern) {
    state = state * 1664525u + 1013904223u;
    half = static_cast<uint16_t>(0x3c00 | (state >> 16 & 0x83ff));
  }
  for (size_t at = 0; at < randomWeights.size(); at += kPattern)
    std::memcpy(randomWeights.data() + at, pattern.data(), std::min(kPattern, randomWeights.size() - at));
  return absl::OkStatus();
}

absl::Status Artifact::loadCode() {
  exportRegionNext();
  // A name without a slash would be searched for among the system's libraries.
  const std::string name = absl::StrContains(path(), '/') ? path() : absl::StrCat("./", path());
  library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr)
    return io::loadError(name, dlerror());
  for (int number = 0; number < manifest().steps_size(); ++number) {
    const runtime::Step &step = manifest().steps(number);
    void *symbol = dlsym(library, step.symbol().c_str());
    if (symbol == nullptr)
      return absl::DataLossError(absl::StrCat("step '", absl::Utf8SafeCEscape(step.name()),
                                              "': code has no symbol '", step.symbol(), "'"));
    const Step loaded{reinterpret_cast<LlmcStepFunction>(symbol), step.max_rows(), number};
    if (step.reads_source())
      reading = loaded;
    else
      stepFunctions.push_back(loaded);
  }
  std::sort(stepFunctions.begin(), stepFunctions.end(),
            [](const Step &a, const Step &b) { return a.maxRows < b.maxRows; });
  return checkLoadedCode();
}

/// Whether all that is loaded from `code`, an ELF file, lies in it, so that its checksum covers it.
static bool holdsItsSegments(absl::Span<const uint8_t> code, absl::Span<const Elf64_Phdr> segments) {
  return absl::c_all_of(segments, [&](const Elf64_Phdr &segment) {
    return segment.p_type != PT_LOAD ||
           (segment.p_offset <= code.size() && segment.p_filesz <= code.size() - segment.p_offset);
  });
}

/// dlopen() knows libraries by name: while an artifact is loaded, it takes another file of the same name for
/// the same code. So this compares what was loaded with the file: headers first, then the segments that
/// nothing writes to.
absl::Status Artifact::checkLoadedCode() const {
  constexpr size_t kSmallestPage = 4096; // mapped in any library, and the linker puts the headers there
  const absl::Span<const uint8_t> code = file.code();
  Elf64_Ehdr header;
  if (code.size() < sizeof(header))
    return absl::DataLossError("code is cut short");
  std::memcpy(&header, code.data(), sizeof(header));
  const uint64_t headersEnd = header.e_phoff + header.e_phnum * sizeof(Elf64_Phdr);
  if (header.e_phoff > kSmallestPage || headersEnd > kSmallestPage || headersEnd > code.size())
    return absl::DataLossError("code has its program headers in an unusual place");
  std::vector<Elf64_Phdr> segments(header.e_phnum);
  std::memcpy(segments.data(), code.data() + header.e_phoff, segments.size() * sizeof(Elf64_Phdr));
  if (!holdsItsSegments(code, segments))
    return absl::DataLossError("code is cut short");

  Dl_info info;
  if (dladdr(reinterpret_cast<void *>(stepFunctions.front().function), &info) == 0)
    return absl::InternalError("code was loaded but cannot be found");
  const auto *base = static_cast<const uint8_t *>(info.dli_fbase);
  const bool isSame =
      std::memcmp(base, code.data(), headersEnd) == 0 &&
      absl::c_all_of(segments, [&](const Elf64_Phdr &segment) {
        return segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0 ||
               std::memcmp(base + segment.p_vaddr, code.data() + segment.p_offset, segment.p_filesz) == 0;
      });
  if (!isSame)
    return absl::FailedPreconditionError(
        "another artifact was loaded from a file of this name and is still in use");
  return absl::OkStatus();
}

const Artifact::Step &Artifact::stepFor(int64_t rows) const {
  for (const Step &step : stepFunctions)
    if (step.maxRows >= rows)
      return step;
  return stepFunctions.back();
}

} // namespace llmc::runtime
