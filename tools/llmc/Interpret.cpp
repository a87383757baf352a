//===- Interpret.cpp - llmc run, embed and predict with --interpret ----------------------------------===//
#include "tools/llmc/CompilerCommands.h"
#include "tools/llmc/Constraint.h"
#include "tools/llmc/Conversation.h"
#include "tools/llmc/Draft.h"
#include "tools/llmc/Interpretation.h"

#include "codegen/compiler/EncoderDescription.h"
#include "codegen/compiler/GenerationDefaults.h"

#include "absl/time/clock.h"

namespace llmc::tool {

static double secondsSince(absl::Time start) { return absl::ToDoubleSeconds(absl::Now() - start); }

static absl::StatusOr<std::unique_ptr<text::Tokenizer>> tokenizerOf(const Interpretation &model,
                                                                    const std::string &path) {
  runtime::Manifest manifest;
  manifest.set_tokenizer(model.info().tokenizer);
  return loadTokenizer(manifest, path);
}

ExitCode runInterpreted(const RunOptions &options) {
  absl::Time start = absl::Now();
  Interpretation model(options.model.path);
  if (absl::Status status = model.load(frontend::ModelKind::Generate); !status.ok())
    return fail(status);
  auto tokenizer = tokenizerOf(model, options.model.path);
  if (!tokenizer.ok())
    return fail(tokenizer.status());
  auto text = textOptions(options, codegen::generationDefaults(model.info()));
  if (!text.ok())
    return fail(text.status(), ExitCode::Usage);
  auto constraints = constraintsOf(options, **tokenizer);
  if (!constraints.ok())
    return fail(constraints.status());
  text->generation.rules.constraint = constraints->front();
  Model draft;
  if (options.draft) {
    ExitCode code = ExitCode::Success;
    draft = loadDraft(options, **tokenizer, /*team=*/nullptr, code);
    if (!draft.artifact)
      return code;
    text->generation.draft = {draft.session.get(), options.draftTokens};
  }
  auto conversation = Conversation::create(options, *text, **tokenizer, model.info().sizes.contextLength,
                                           secondsSince(start));
  if (!conversation.ok())
    return fail(conversation.status());
  return conversation->run(generate::engineOf(model));
}

ExitCode embedInterpreted(const EmbedOptions &options) {
  absl::Time start = absl::Now();
  Interpretation model(options.model.path);
  if (absl::Status status = model.load(frontend::ModelKind::Embed); !status.ok())
    return fail(status);
  auto tokenizer = tokenizerOf(model, options.model.path);
  if (!tokenizer.ok())
    return fail(tokenizer.status());
  return embedTexts(options, {**tokenizer, model.contextLength(), secondsSince(start)},
                    [&](absl::Span<const int32_t> text) { return model.embed(text); });
}

ExitCode predictInterpreted(const PredictOptions &options) {
  absl::Time start = absl::Now();
  Interpretation model(options.model.path);
  if (absl::Status status = model.load(frontend::ModelKind::Predict); !status.ok())
    return fail(status);
  auto tokenizer = tokenizerOf(model, options.model.path);
  if (!tokenizer.ok())
    return fail(tokenizer.status());
  const runtime::Head head = codegen::describeHead(*model.info().head);
  return predictTexts(options,
                      {**tokenizer, head, model.contextLength(), model.vocabularySize(), secondsSince(start)},
                      [&](absl::Span<const int32_t> tokens, absl::Span<const int32_t> types,
                          absl::Span<const int32_t> wanted) { return model.predict(tokens, types, wanted); });
}

} // namespace llmc::tool
