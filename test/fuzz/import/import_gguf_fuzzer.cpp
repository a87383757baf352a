// Any bytes as a GGUF file: refused with a message, or a program.
#include "test/fuzz/import/ImportFuzzer.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <sys/mman.h>
#include <unistd.h>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  // Models are mapped from files; this one is in memory.
  const int file = memfd_create("model.gguf", 0);
  if (file < 0 || write(file, data, size) != static_cast<ssize_t>(size))
    std::abort();
  constexpr std::string_view kTokenizer = "tokenizer.ggml.model";
  const bool tokenizer = memmem(data, size, kTokenizer.data(), kTokenizer.size()) != nullptr;
  llmc::frontend::importAndOptimize("/proc/self/fd/" + std::to_string(file), tokenizer);
  close(file);
  return 0;
}
