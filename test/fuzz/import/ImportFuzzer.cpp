#include "test/fuzz/import/ImportFuzzer.h"

#include "frontend/import/Import.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Pass/PassManager.h"
#include "passes/Pipelines.h"

#include <cstdio>
#include <cstdlib>

using namespace llmc;

bool frontend::importAndOptimize(const std::string &path, bool tokenizer) {
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  absl::StatusOr<ImportedModel> model = importModel(path, {.tokenizer = tokenizer}, &context);
  if (!model.ok()) {
    const std::string message(model.status().message());
    if (message.find('\n') != std::string::npos || message.rfind(path, 0) != 0 ||
        absl::IsInternal(model.status())) {
      std::fprintf(stderr, "not one line that begins with the file: %s\n", message.c_str());
      std::abort();
    }
    return false;
  }
  mlir::PassManager manager(&context);
  passes::InferencePipelineOptions options;
  passes::addPasses(manager, passes::inferencePasses(options));
  if (mlir::failed(manager.run(*model->module)))
    std::abort();
  return true;
}
