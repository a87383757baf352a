//===- Interpret.cpp - llmc run --interpret -------------------------------------------------------------===//
#include "tools/llmc/CompilerCommands.h"
#include "tools/llmc/Conversation.h"

#include "codegen/compiler/GenerationDefaults.h"
#include "dialects/nn/reference/Interpreter.h"
#include "dialects/nn/reference/UpstreamOps.h"
#include "frontend/import/Import.h"
#include "passes/Passes.h"

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Pass/PassManager.h"

#include <unistd.h>

using namespace mlir;

namespace llmc::tool {

namespace {

using nn::reference::IntegerTensor;
using nn::reference::Interpreter;
using nn::reference::KvCache;
using nn::reference::RuntimeValue;

/// Parameters are kept as f32 while they take less than half of the free memory.
int64_t parameterBudget() { return int64_t(sysconf(_SC_AVPHYS_PAGES)) * sysconf(_SC_PAGESIZE) / 2; }

/// A sequence that a model continues by its reference semantics: the imported program, with caches, in f32.
class Interpretation {
public:
  explicit Interpretation(const std::string &path) : path(path) {}

  absl::Status load() {
    nn::reference::registerReferenceModels(registry);
    context.appendDialectRegistry(registry);
    auto imported = frontend::importModel(path, {}, &context);
    if (!imported.ok())
      return imported.status();
    model = *std::move(imported);
    if (model.info.kind != frontend::ModelKind::Generate)
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": is a model that makes embeddings, expected one that makes text"));
    PassManager passes(&context);
    passes.addPass(passes::createAddKvCache());
    if (failed(passes.run(*model.module)))
      return absl::InternalError(absl::StrCat(path, ": the program cannot be given caches"));
    forward = model.module->lookupSymbol<func::FuncOp>("forward");
    interpreter.emplace(*model.module, model.source.get(), parameterBudget());
    reset();
    return absl::OkStatus();
  }

  const frontend::ModelInfo &info() const { return model.info; }
  absl::Span<const int32_t> history() const { return sequence; }

  void reset() {
    sequence.clear();
    caches.clear();
    for (BlockArgument argument : forward.getArguments())
      if (auto type = dyn_cast<nn::KvCacheType>(argument.getType()))
        caches.push_back(KvCache<float>{type.getHeads(), type.getHeadDim(), {}});
  }

  /// Appends `tokens` and returns the logits of what comes next.
  absl::StatusOr<std::vector<float>> feed(absl::Span<const int32_t> tokens) {
    if (tokens.empty())
      return absl::InvalidArgumentError("no tokens were given, expected at least one");
    int64_t limit = model.info.sizes.contextLength;
    if (static_cast<int64_t>(sequence.size() + tokens.size()) > limit)
      return absl::OutOfRangeError(absl::StrCat("the input has ", tokens.size(), " tokens behind ",
                                                sequence.size(), ", but the context holds ", limit));
    std::string error;
    ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
      if (error.empty())
        error = diagnostic.str();
      return success();
    });
    auto results = interpreter->call("forward", arguments(tokens));
    if (failed(results))
      return absl::InternalError(absl::StrCat("the program cannot be evaluated: ", error));
    sequence.insert(sequence.end(), tokens.begin(), tokens.end());
    caches.assign(results->begin() + 1, results->end());
    return results->front().getTensor()->values;
  }

private:
  Interpreter<float>::Values arguments(absl::Span<const int32_t> tokens) {
    int64_t count = tokens.size();
    IntegerTensor ids({count}), positions({count}), wanted({1});
    absl::c_copy(tokens, ids.values.begin());
    for (int64_t i = 0; i < count; ++i)
      positions.values[i] = static_cast<int32_t>(sequence.size()) + i;
    wanted.values[0] = count - 1;
    Interpreter<float>::Values values;
    size_t cache = 0;
    for (unsigned i = 0; i < forward.getNumArguments(); ++i) {
      StringRef input = forward.getArgAttrOfType<StringAttr>(i, "nn.input").getValue();
      if (input == "cache")
        values.push_back(caches[cache++]);
      else
        values.push_back(input == "tokens" ? ids : input == "positions" ? positions : wanted);
    }
    return values;
  }

  const std::string &path;
  DialectRegistry registry;
  MLIRContext context;
  frontend::ImportedModel model;
  func::FuncOp forward;
  std::optional<Interpreter<float>> interpreter;
  Interpreter<float>::Values caches;
  std::vector<int32_t> sequence;
};

double secondsSince(absl::Time start) { return absl::ToDoubleSeconds(absl::Now() - start); }

/// Makes `prompt` the sequence of `model`, computing only what it has not got. Returns how many tokens that
/// were in `fed`.
absl::StatusOr<std::vector<float>> feedSequence(Interpretation &model, absl::Span<const int32_t> prompt,
                                                int64_t &fed) {
  absl::Span<const int32_t> history = model.history();
  bool continues = prompt.size() > history.size() && prompt.first(history.size()) == history;
  if (!continues)
    model.reset();
  absl::Span<const int32_t> rest = prompt.subspan(model.history().size());
  fed = rest.size();
  return model.feed(rest);
}

/// The contract of runtime::generate, kept by the interpreter.
absl::StatusOr<runtime::Generation> generate(Interpretation &model, absl::Span<const int32_t> prompt,
                                             const runtime::GenerationOptions &options,
                                             absl::FunctionRef<bool(int32_t token)> onToken) {
  runtime::Sampler sampler(options.sampling);
  runtime::Generation result;
  absl::Time start = absl::Now();
  absl::StatusOr<std::vector<float>> logits = feedSequence(model, prompt, result.stats.promptTokens);
  result.stats.promptSeconds = result.stats.firstTokenSeconds = secondsSince(start);
  absl::Time first = absl::Now();
  while (true) {
    if (!logits.ok())
      return logits.status();
    absl::StatusOr<int32_t> token = sampler.sample(*logits, model.history());
    if (!token.ok())
      return token.status();
    if (absl::c_linear_search(options.stopTokens, *token)) {
      result.reason = runtime::FinishReason::StopToken;
      break;
    }
    result.tokens.push_back(*token);
    if (!onToken(*token)) {
      result.reason = runtime::FinishReason::Caller;
      break;
    }
    if (static_cast<int64_t>(result.tokens.size()) == options.maxTokens) {
      result.reason = runtime::FinishReason::MaxTokens;
      break;
    }
    if (static_cast<int64_t>(model.history().size()) == model.info().sizes.contextLength) {
      result.reason = runtime::FinishReason::Context;
      break;
    }
    logits = model.feed(absl::MakeConstSpan(&*token, 1));
    ++result.stats.decodedTokens;
    result.stats.decodeSeconds = secondsSince(first);
  }
  result.stats.peakResidentBytes = runtime::peakResidentBytes();
  return result;
}

} // namespace

ExitCode runInterpreted(const RunOptions &options) {
  absl::Time start = absl::Now();
  Interpretation model(options.model.path);
  if (absl::Status status = model.load(); !status.ok())
    return fail(status);
  runtime::Manifest manifest;
  manifest.set_tokenizer(model.info().tokenizer);
  auto tokenizer = loadTokenizer(manifest, options.model.path);
  if (!tokenizer.ok())
    return fail(tokenizer.status());
  auto text = textOptions(options, codegen::generationDefaults(model.info()));
  if (!text.ok())
    return fail(text.status(), ExitCode::Usage);
  auto conversation = Conversation::create(options, *text, **tokenizer, secondsSince(start));
  if (!conversation.ok())
    return fail(conversation.status());
  return conversation->run([&](absl::Span<const int32_t> prompt, const runtime::GenerationOptions &generation,
                               absl::FunctionRef<bool(int32_t token)> onToken) {
    return generate(model, prompt, generation, onToken);
  });
}

} // namespace llmc::tool
