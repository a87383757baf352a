// Any bytes as an ONNX file: refused with one line, or a program that all passes on nn can work on.

#include "frontend/onnx/ImportGraph.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassManager.h"
#include "passes/Pipelines.h"

#include <cstdio>
#include <cstdlib>

using namespace llmc;

static void checkMessage(const absl::Status &status) {
  const std::string message(status.message());
  if (message.find('\n') == std::string::npos && message.rfind("fuzz.onnx: ", 0) == 0 &&
      !absl::IsInternal(status))
    return;
  std::fprintf(stderr, "not one line that begins with the file: %s\n", message.c_str());
  std::abort();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  absl::StatusOr<onnx::Model> model = onnx::Model::parse("fuzz.onnx", absl::MakeConstSpan(data, size));
  if (!model.ok()) {
    checkMessage(model.status());
    return 0;
  }
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  context.loadDialect<nn::NNDialect, mlir::func::FuncDialect, mlir::arith::ArithDialect,
                      mlir::math::MathDialect>();
  auto graph = onnx::importGraph(*model, {.contextLength = 16}, &context);
  if (!graph.ok()) {
    checkMessage(graph.status());
    return 0;
  }
  for (const onnx::Parameter &parameter : (*graph)->parameters)
    if (static_cast<int64_t>(parameter.tensor->bytes.size()) !=
        parameter.tensor->elements() * onnx::bytesOf(parameter.tensor->type))
      std::abort();
  { // importModel() refuses a graph that nn does not allow.
    mlir::ScopedDiagnosticHandler quiet(&context, [](mlir::Diagnostic &) { return mlir::success(); });
    if (mlir::failed(mlir::verify(*(*graph)->module)))
      return 0;
  }
  mlir::PassManager manager(&context);
  passes::addPasses(manager, passes::inferencePasses({}));
  if (mlir::failed(manager.run(*(*graph)->module)))
    std::abort();
  return 0;
}
