//===- InspectCheckpoint.cpp - llmc inspect on a checkpoint ---------------------------------------------===//
#include "tools/llmc/CompilerCommands.h"
#include "tools/llmc/Model.h"
#include "tools/llmc/Summary.h"

#include "dialects/cost/ProgramCost.h"
#include "frontend/import/Import.h"
#include "frontend/spec/Definition.h"
#include "runtime/io/Message.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "mlir/IR/MLIRContext.h"

using namespace mlir;

namespace llmc::tool {

/// How the elements of `type` are stored, as an artifact calls it.
static std::string formatOf(Type type) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  if (auto block = dyn_cast<nn::BlockType>(type))
    stream << nn::stringifyBlockFormat(block.getFormat());
  else
    stream << type;
  return StringRef(text).upper();
}

static uint64_t bytesOf(RankedTensorType type) {
  if (auto block = dyn_cast<nn::BlockType>(type.getElementType()))
    return type.getNumElements() / block.getBlockSize() * block.getBlockBytes();
  return type.getNumElements() * type.getElementTypeBitWidth() / 8;
}

static Summary summarize(const std::string &path, frontend::ImportedModel &model) {
  const frontend::ModelInfo &info = model.info;
  Summary summary;
  summary.path = path;
  auto fact = [&](const char *name, Json value) { summary.facts.emplace_back(name, std::move(value)); };
  int64_t elements = 0;
  for (auto param : model.module->getOps<nn::ParamOp>()) {
    auto type = cast<RankedTensorType>(param.getType());
    summary.parameters.push_back({param.getSymName().str(),
                                  {type.getShape().begin(), type.getShape().end()},
                                  formatOf(type.getElementType()),
                                  bytesOf(type)});
    elements += type.getNumElements();
  }
  uint64_t weightBytes = 0;
  for (const ParameterSummary &parameter : summary.parameters)
    weightBytes += parameter.bytes;
  const nn::OpCost cost = nn::costOfProgram(*model.module, "forward", /*rows=*/1, /*context=*/1);

  fact("kind", info.kind == frontend::ModelKind::Embed     ? "embedding model"
               : info.kind == frontend::ModelKind::Predict ? "model with a head"
                                                           : "text generator");
  fact("model_name", info.name);
  fact("architecture", info.architecture);
  fact("family", info.family);
  fact("licence", info.licence);
  fact("layers", info.sizes.layers);
  fact("hidden_size", info.sizes.hiddenSize);
  fact("context_length", info.sizes.contextLength);
  fact("vocabulary_size", info.sizes.vocabulary);
  fact("parameter_count", elements);
  fact("flops_per_token", static_cast<uint64_t>(cost.flops));
  fact("bytes_per_token", static_cast<uint64_t>(cost.parameterBytes + cost.activationBytes));
  fact("weights_bytes", weightBytes);
  return summary;
}

static absl::StatusOr<frontend::ImportedModel> readModel(const std::string &path, MLIRContext &context) {
  if (!isDefinition(path))
    return frontend::importModel(path, {.tokenizer = false}, &context);
  absl::StatusOr<spec::ModelDefinition> definition = spec::readDefinition(path);
  if (!definition.ok())
    return definition.status();
  return frontend::importDefinition(*definition, path, &context);
}

ExitCode inspectCheckpoint(const InspectOptions &options) {
  if (options.verify)
    return failUsage(absl::StrCat("--verify: ", options.path, " is no artifact, and has no checksums"));
  MLIRContext context;
  absl::StatusOr<frontend::ImportedModel> model = readModel(options.path, context);
  if (!model.ok())
    return fail(model.status());
  if (options.definition) {
    if (!model->definition.ok())
      return fail(io::withContext(options.path, model->definition.status()));
    absl::PrintF("%s", spec::printDefinition(*model->definition));
    return ExitCode::Success;
  }
  Summary summary = summarize(options.path, *model);
  options.json ? printSummaryJson(summary) : printTable(summary);
  return ExitCode::Success;
}

} // namespace llmc::tool
