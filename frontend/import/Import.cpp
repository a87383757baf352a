//===- Import.cpp - from the files of a model to an nn module ----------------------------------------===//

#include "frontend/import/Import.h"
#include "absl/strings/str_cat.h"
#include "dialects/nn/NN.h"
#include "frontend/import/Formats.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::frontend;

namespace {

void annotate(ModuleOp module, const ModelInfo &info) {
  Builder builder(module.getContext());
  auto set = [&](StringRef name, Attribute value) { module->setAttr(name, value); };
  set("nn.name", builder.getStringAttr(info.name));
  set("nn.family", builder.getStringAttr(info.family));
  set("nn.architecture", builder.getStringAttr(info.architecture));
  set("nn.context_length", builder.getI64IntegerAttr(info.sizes.contextLength));
  set("nn.layers", builder.getI64IntegerAttr(info.sizes.layers));
}

absl::Status verifyModule(const std::string &path, ModuleOp module) {
  std::string message;
  ScopedDiagnosticHandler handler(module.getContext(), [&](Diagnostic &diagnostic) {
    if (message.empty())
      message = diagnostic.str();
    return success();
  });
  if (succeeded(verify(module)))
    return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(path, ": makes an invalid graph: ", message));
}

} // namespace

absl::StatusOr<ImportedModel>
llmc::frontend::importModel(const std::string &path, const ImportOptions &options, MLIRContext *context) {
  absl::StatusOr<std::unique_ptr<Checkpoint>> checkpoint = openCheckpoint(path);
  if (!checkpoint.ok())
    return checkpoint.status();
  absl::StatusOr<const Family *> family = findFamily(**checkpoint);
  if (!family.ok())
    return family.status();
  context->loadDialect<nn::NNDialect, func::FuncDialect, arith::ArithDialect>();
  absl::StatusOr<Graph> graph = (*family)->build(**checkpoint, context);
  if (!graph.ok())
    return graph.status();

  ImportedModel model;
  model.module = std::move(graph->module);
  const ModelCard &card = (*checkpoint)->card();
  model.info = {card.name,       card.licence, (*family)->name, (*checkpoint)->architecture(),
                (*family)->kind, graph->sizes};
  annotate(*model.module, model.info);
  if (absl::Status status = verifyModule(path, *model.module); !status.ok())
    return status;
  model.source = std::move(*checkpoint);
  return model;
}
