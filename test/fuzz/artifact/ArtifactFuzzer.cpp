// Opens hostile artifacts, as far as that goes without running their code. The first byte of the input says
// what the rest is: 'f' a whole file; anything else a manifest, around which a file with right checksums of
// manifest and footer is built, as no fuzzer would guess those.
#include "runtime/core/ArtifactFile.h"

#include <cstdlib>
#include <string>
#include <sys/mman.h>
#include <unistd.h>

using namespace llmc::runtime;

namespace {

/// A file in memory.
class ScratchFile {
public:
  ScratchFile() : descriptor(memfd_create("artifact", 0)) {
    if (descriptor < 0)
      abort();
  }

  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor); }

  void replace(const std::string &bytes) const {
    if (ftruncate(descriptor, 0) != 0 ||
        pwrite(descriptor, bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
      abort();
  }

private:
  int descriptor;
};

std::string fileAround(absl::Span<const uint8_t> manifest) {
  constexpr size_t kSectionsEnd = 2 * kWeightsAlignment;
  std::string file(kSectionsEnd, '\0');
  file.append(manifest.begin(), manifest.end());
  const Footer footer = makeFooter(kSectionsEnd, manifest);
  file.append(reinterpret_cast<const char *>(&footer), sizeof(footer));
  return file;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const ScratchFile scratch;
  if (size == 0)
    return 0;
  const absl::Span<const uint8_t> rest(data + 1, size - 1);
  scratch.replace(data[0] == 'f' ? std::string(rest.begin(), rest.end()) : fileAround(rest));
  for (Verify verify : {Verify::Never, Verify::Always}) {
    absl::StatusOr<ArtifactFile> file = ArtifactFile::open(scratch.path(), verify);
    if (!file.ok()) {
      if (file.status().message().find('\n') != absl::string_view::npos)
        abort(); // messages are one line
      continue;
    }
    // Every byte that the manifest promises is there.
    volatile uint64_t sum = checksumOf(file->code()) + checksumOf(file->weights());
    for (const Parameter &parameter : file->manifest().parameters())
      sum = sum + checksumOf(file->weights().subspan(parameter.offset(), parameter.bytes()));
  }
  return 0;
}
