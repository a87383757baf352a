//===- ImportGraph.cpp - from the graph of an ONNX file to an nn module ------------------------------===//

#include "frontend/onnx/ImportGraph.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "frontend/onnx/GraphReader.h"
#include "frontend/onnx/OutlineLayers.h"
#include "runtime/io/Message.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::onnx;

namespace {

using Rows = Expression::Rows;
using Output = ImportedGraph::Output;

struct Result {
  const Expression *rows;
  Output output;
};

/// Names of outputs as transformers, optimum and sentence-transformers have them.
constexpr const char *kLogits = "logits", *kStart = "start_logits", *kEnd = "end_logits";
constexpr const char *kStates[] = {"last_hidden_state", "token_embeddings"};

absl::StatusOr<Activation> activationOf(const GraphReader &reader, const std::string &name) {
  const onnx::Value *value = reader.find(name);
  if (!value)
    return absl::InvalidArgumentError(
        absl::StrCat("has output ", io::quote(name), ", which no node computes"));
  if (auto *status = std::get_if<absl::Status>(value))
    return *status;
  auto *activation = std::get_if<Activation>(value);
  if (!activation || activation->rows->rows == Rows::Constant)
    return absl::UnimplementedError(absl::StrCat("has output ", io::quote(name), ", which is ",
                                                 describe(*value), ", expected an activation"));
  return *activation;
}

/// The two logits of each token, which the graph has taken apart.
absl::StatusOr<Result> answersOf(const GraphReader &reader) {
  absl::StatusOr<Activation> start = activationOf(reader, kStart), end = activationOf(reader, kEnd);
  if (!start.ok() || !end.ok())
    return start.ok() ? end.status() : start.status();
  const Expression &first = *start->rows, &second = *end->rows;
  const bool arePair = first.op == Expression::Op::Slice && second.op == Expression::Op::Slice &&
                       &first[0] == &second[0] && first[0].width == 2 && first.first == 0 &&
                       second.first == 1 && first.rows == Rows::All;
  if (!arePair)
    return absl::UnimplementedError(absl::StrCat("has outputs '", kStart, "' and '", kEnd,
                                                 "' that are not the two halves of one product"));
  return Result{&first[0], Output::Answers};
}

absl::StatusOr<Result> findResult(const onnx::Model &model, const GraphReader &reader,
                                  const GraphHints &hints) {
  std::vector<std::string> names;
  for (const wire::ValueInfoProto &output : model.graph().output())
    names.push_back(output.name());
  if (names.empty())
    return absl::InvalidArgumentError("has no outputs");
  auto has = [&](const char *name) { return llvm::is_contained(names, name); };
  if (has(kStart) && has(kEnd))
    return answersOf(reader);
  std::string chosen = names[0];
  bool isHead = hints.hasHead;
  if (has(kLogits)) {
    chosen = kLogits;
    isHead = true;
  }
  for (const char *name : kStates)
    if (has(name) && !has(kLogits)) {
      chosen = name;
      isHead = false;
      break;
    }
  absl::StatusOr<Activation> found = activationOf(reader, chosen);
  if (!found.ok())
    return found.status();
  const Expression &rows = *found->rows;
  if (!found->layout.endsWithWidth(rows.width))
    return absl::UnimplementedError(absl::StrCat("has output ", io::quote(chosen), ", which is ",
                                                 describe(onnx::Value(*found)),
                                                 ", expected [batch, tokens, width] or [batch, width]"));
  if (rows.rows == Rows::First)
    return Result{&rows, Output::OfSequence};
  return Result{&rows, isHead ? Output::OfTokens : Output::HiddenStates};
}

/// Lengths at which sizes are compared. One is as long as a sequence can be, as far as that is tried.
std::vector<int64_t> lengthsFor(std::optional<int64_t> context) {
  std::vector<int64_t> lengths = {3, 5, 7};
  if (context && *context > lengths.back())
    lengths.push_back(std::min(*context, kLongestTried));
  return lengths;
}

absl::StatusOr<std::unique_ptr<ImportedGraph>> import(const onnx::Model &model, const GraphHints &hints,
                                                      MLIRContext *context) {
  auto graph = std::make_unique<ImportedGraph>();
  Expressions expressions;
  std::optional<GraphReader> reader;
  // The first time finds how long a sequence can be.
  std::optional<int64_t> longest;
  for (int time : {0, 1}) {
    reader.emplace(model, expressions, graph->tensors, lengthsFor(time == 0 ? std::nullopt : longest));
    if (absl::Status status = reader->read(); !status.ok())
      return status;
    longest = reader->contextLength() ? reader->contextLength() : hints.contextLength;
  }
  absl::StatusOr<Result> result = findResult(model, *reader, hints);
  if (!result.ok())
    return result.status();
  Emitter emitter(graph->tensors, context);
  const bool selects = result->output == Output::OfTokens || result->output == Output::Answers;
  absl::StatusOr<EmittedProgram> program = emitter.emit(*result->rows, selects);
  if (!program.ok())
    return program.status();
  graph->output = result->output;
  graph->module = std::move(program->module);
  graph->parameters = std::move(program->parameters);
  graph->layers = program->layers;
  graph->hiddenSize = program->hiddenSize;
  graph->isCausal = program->isCausal;
  graph->outputs = result->rows->width;
  graph->vocabulary = reader->vocabularySize();
  graph->tokenTypes = reader->tokenTypes();
  graph->contextLength = longest;
  auto forward = graph->module->lookupSymbol<func::FuncOp>("forward");
  outlineLayers(forward);
  selectRowsEarly(forward);
  return graph;
}

} // namespace

absl::StatusOr<std::unique_ptr<ImportedGraph>>
onnx::importGraph(const onnx::Model &model, const GraphHints &hints, MLIRContext *context) {
  absl::StatusOr<std::unique_ptr<ImportedGraph>> graph = import(model, hints, context);
  return graph.ok() ? std::move(graph) : io::withContext(model.path(), graph.status());
}
