//===- ModelDefinitionFuzzer.cpp - model definitions of strangers -------------------------------------===//
//
// The input is a definition in protobuf's text form. It is refused with one line, or makes a program that
// verifies, with as many elements in its parameters as it says.
//
//===------------------------------------------------------------------------------------------------===//
#include "frontend/spec/BuildModel.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Verifier.h"

#include <cstdio>
#include <cstdlib>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>

using namespace llmc;

namespace {

/// Says nothing of what is no text of a definition.
class NoErrors : public google::protobuf::io::ErrorCollector {
public:
  void AddError(int, google::protobuf::io::ColumnNumber, const std::string &) override {}
};

constexpr int64_t kMostLayers = 4, kLength = 8;

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  google::protobuf::TextFormat::Parser parser;
  NoErrors errors;
  parser.RecordErrorsTo(&errors);
  spec::ModelDefinition parsed;
  if (!parser.ParseFromString(std::string(reinterpret_cast<const char *>(data), size), &parsed))
    return 0;
  const absl::StatusOr<spec::ModelDefinition> definition = spec::complete(parsed, /*vocabulary=*/0);
  if (!definition.ok()) {
    const std::string message(definition.status().message());
    if (message.empty() || message.find('\n') != std::string::npos) {
      std::fprintf(stderr, "not one line: %s\n", message.c_str());
      std::abort();
    }
    return 0;
  }
  if (spec::parameterCount(*definition) <= 0)
    std::abort();
  if (definition->layers() > kMostLayers) // of which there may be millions
    return 0;
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  context.loadDialect<nn::NNDialect, mlir::func::FuncDialect, mlir::arith::ArithDialect,
                      mlir::math::MathDialect>();
  const mlir::OwningOpRef<mlir::ModuleOp> module = spec::buildLoss(*definition, kLength, &context);
  if (!module || mlir::failed(mlir::verify(*module)) || spec::checkpointConfig(*definition).empty())
    std::abort();
  return 0;
}
