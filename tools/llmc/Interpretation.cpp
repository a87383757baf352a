//===- Interpretation.cpp - a checkpoint run by its reference semantics --------------------------------===//
#include "tools/llmc/Interpretation.h"

#include "codegen/compiler/EncoderDescription.h"
#include "dialects/nn/reference/UpstreamOps.h"
#include "passes/Passes.h"
#include "runtime/core/Pooling.h"

#include "absl/strings/str_cat.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Pass/PassManager.h"

#include <numeric>
#include <unistd.h>

using namespace mlir;

namespace llmc::tool {

/// Parameters are kept as f32 while they take less than half of the free memory.
static int64_t parameterBudget() { return int64_t(sysconf(_SC_AVPHYS_PAGES)) * sysconf(_SC_PAGESIZE) / 2; }

absl::Status Interpretation::load(frontend::ModelKind kind) {
  nn::reference::registerReferenceModels(registry);
  context.appendDialectRegistry(registry);
  auto imported = frontend::importModel(path, {}, &context);
  if (!imported.ok())
    return imported.status();
  model = *std::move(imported);
  const bool makesText = kind == frontend::ModelKind::Generate;
  auto outputOf = [](frontend::ModelKind kind) {
    return kind == frontend::ModelKind::Generate ? "text"
           : kind == frontend::ModelKind::Embed  ? "embeddings"
                                                 : "predictions";
  };
  if (model.info.kind != kind)
    return absl::InvalidArgumentError(absl::StrCat(path, ": is a model that makes ",
                                                   outputOf(model.info.kind), ", expected one that makes ",
                                                   outputOf(kind)));
  PassManager passes(&context);
  if (makesText)
    passes.addPass(passes::createAddKvCache());
  if (failed(passes.run(*model.module)))
    return absl::InternalError(absl::StrCat(path, ": the program cannot be given caches"));
  forward.emplace(*model.module, model.source.get(), parameterBudget());
  return absl::OkStatus();
}

void Interpretation::reset() {
  sequence.clear();
  forward->reset();
}

void Interpretation::truncate(int64_t length) {
  sequence.resize(length);
  forward->truncate(length);
}

absl::Status Interpretation::run(absl::Span<const int32_t> tokens, absl::Span<const int32_t> types,
                                 ArrayRef<int32_t> outputIds) {
  if (tokens.empty())
    return absl::InvalidArgumentError("no tokens were given, expected at least one");
  if (static_cast<int64_t>(sequence.size() + tokens.size()) > contextLength())
    return absl::OutOfRangeError(absl::StrCat("the input has ", tokens.size(), " tokens behind ",
                                              sequence.size(), ", but the context holds ", contextLength()));
  std::string error;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    if (error.empty())
      error = diagnostic.str();
    return success();
  });
  auto result = forward->feed({{tokens.data(), tokens.size()}, {types.data(), types.size()}, outputIds});
  if (failed(result))
    return absl::InternalError(absl::StrCat("the program cannot be evaluated: ", error));
  output = *std::move(result);
  sequence.insert(sequence.end(), tokens.begin(), tokens.end());
  return absl::OkStatus();
}

absl::StatusOr<absl::Span<const float>> Interpretation::feed(absl::Span<const int32_t> next,
                                                             runtime::Rows rows) {
  std::vector<int32_t> outputIds(rows == runtime::Rows::All ? next.size() : 1);
  std::iota(outputIds.begin(), outputIds.end(), static_cast<int32_t>(next.size() - outputIds.size()));
  if (absl::Status status = run(next, {}, outputIds); !status.ok())
    return status;
  return absl::MakeConstSpan(output.values);
}

absl::StatusOr<absl::Span<const float>> Interpretation::feedSequence(absl::Span<const int32_t> tokens) {
  if (!readsSource())
    return TokenSequence::feedSequence(tokens);
  reset();
  if (tokens.empty() || static_cast<int64_t>(tokens.size()) > contextLength())
    return absl::OutOfRangeError(
        absl::StrCat("the source has ", tokens.size(), " tokens, expected 1 to ", contextLength()));
  std::string error;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    if (error.empty())
      error = diagnostic.str();
    return success();
  });
  if (failed(forward->readSource({tokens.data(), tokens.size()})))
    return absl::InternalError(absl::StrCat("the program cannot be evaluated: ", error));
  const auto start = static_cast<int32_t>(*info().startToken);
  return feed(absl::MakeConstSpan(&start, 1));
}

absl::StatusOr<std::vector<float>> Interpretation::embed(absl::Span<const int32_t> text) {
  reset();
  std::vector<int32_t> rows(text.size());
  std::iota(rows.begin(), rows.end(), 0);
  if (absl::Status status = run(text, {}, rows); !status.ok())
    return status;
  std::vector<float> embedding(output.width());
  runtime::pool(model.info.pooling ? codegen::describePooling(*model.info.pooling) : runtime::Pooling(),
                output.values, absl::MakeSpan(embedding));
  return embedding;
}

absl::StatusOr<absl::Span<const float>> Interpretation::predict(absl::Span<const int32_t> text,
                                                                absl::Span<const int32_t> types,
                                                                absl::Span<const int32_t> wanted) {
  reset();
  if (absl::Status status = run(text, types, {wanted.data(), wanted.size()}); !status.ok())
    return status;
  return absl::MakeConstSpan(output.values);
}

} // namespace llmc::tool
