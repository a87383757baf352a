// Any text as adapter_config.json and, behind a zero byte, any bytes as adapter_model.safetensors: refused
// with a message, or merged into a small Llama to a program that all passes on nn can work on.
#include "frontend/import/Import.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Pass/PassManager.h"
#include "passes/Pipelines.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

using namespace llmc;

namespace {

/// A directory for as long as the program runs.
class Directory {
public:
  Directory() {
    folder = (std::filesystem::temp_directory_path() / "adapter-fuzzer-XXXXXX").string();
    if (mkdtemp(folder.data()) == nullptr)
      std::abort();
  }
  ~Directory() { std::filesystem::remove_all(folder); }
  const std::string &path() const { return folder; }
  void write(const char *name, const uint8_t *data, size_t size) const {
    std::ofstream(folder + "/" + name, std::ios::binary).write(reinterpret_cast<const char *>(data), size);
  }

private:
  std::string folder;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const Directory folder;
  const uint8_t *end = std::find(data, data + size, 0), *tensors = std::min(end + 1, data + size);
  folder.write("adapter_config.json", data, end - data);
  folder.write("adapter_model.safetensors", tensors, data + size - tensors);

  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  auto model = frontend::importModel(LLMC_SOURCE_DIR "/test/e2e/golden/llama-odd",
                                     {.tokenizer = false, .adapters = {{folder.path()}}}, &context);
  if (!model.ok()) {
    const std::string message(model.status().message());
    if (message.find('\n') != std::string::npos || message.rfind(folder.path(), 0) != 0 ||
        absl::IsInternal(model.status())) {
      std::fprintf(stderr, "not one line that begins with the file: %s\n", message.c_str());
      std::abort();
    }
    return 0;
  }
  mlir::PassManager manager(&context);
  passes::addPasses(manager, passes::inferencePasses(passes::InferencePipelineOptions()));
  if (mlir::failed(manager.run(*model->module)))
    std::abort();
  return 0;
}
