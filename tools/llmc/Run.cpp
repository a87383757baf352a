//===- Run.cpp - llmc run -------------------------------------------------------------------------------===//
#include "runtime/core/Batch.h"
#include "runtime/io/Message.h"
#include "tools/llmc/Commands.h"
#include "tools/llmc/Constraint.h"
#include "tools/llmc/Conversation.h"
#include "tools/llmc/Draft.h"
#include "tools/llmc/Interrupt.h"

#include "absl/strings/str_cat.h"

#include <CLI/CLI.hpp>
#include <memory>

namespace llmc::tool {

/// Refuses what is not done in common steps.
static absl::Status checkParallel(const RunOptions &options, const generate::TextOptions &text) {
  const bool drafts = options.draft.has_value(), searches = text.generation.beams.count > 1;
  if (!drafts && !searches)
    return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("--parallel: is ", options.parallel, " beside ",
                                                 drafts ? "--draft" : "a beam search", ", expected 1"));
}

/// Those that answer prompts in common steps of `batch`.
static std::vector<Answerer>
makeAnswerers(runtime::Batch &batch,
              const std::vector<std::shared_ptr<runtime::TokenConstraint>> &constraints) {
  std::vector<Answerer> answerers;
  for (int64_t i = 0; i < batch.size(); ++i) {
    auto member = std::make_shared<runtime::Batch::Member>(batch, i);
    answerers.push_back(
        {[member](absl::Span<const int32_t> prompt, const runtime::GenerationOptions &generation,
                  absl::FunctionRef<bool(int32_t)> onToken) {
           return runtime::generate(*member, prompt, generation, onToken);
         },
         constraints[i]});
  }
  return answerers;
}

static ExitCode run(const RunOptions &options) {
  ExitCode code = ExitCode::Success;
  Model model = loadModel(options.model, runtime::GENERATE, code);
  if (!model.artifact)
    return code;
  absl::StatusOr<generate::TextOptions> text =
      textOptions(options, model.artifact->manifest().generation_defaults());
  if (!text.ok())
    return failUsage(absl::string_view(text.status().message()));
  auto constraints = constraintsOf(options, *model.tokenizer, options.parallel);
  if (!constraints.ok())
    return fail(constraints.status());
  text->generation.rules.constraint = constraints->front();
  Model draft;
  if (options.draft) {
    draft = loadDraft(options, *model.tokenizer, model.session->team(), code);
    if (!draft.artifact)
      return code;
    text->generation.draft = {draft.session.get(), options.draftTokens};
  }
  absl::StatusOr<Conversation> conversation = Conversation::create(
      options, *text, *model.tokenizer, model.artifact->manifest().context_length(), model.loadSeconds);
  if (!conversation.ok())
    return fail(conversation.status());
  if (options.parallel == 1)
    return conversation->run(generate::engineOf(*model.session));
  if (absl::Status status = checkParallel(options, *text); !status.ok())
    return failUsage(absl::string_view(status.message()));
  auto batch = runtime::Batch::create(*model.session, options.parallel, Interrupt::requested);
  if (!batch.ok())
    return fail(io::withContext(options.model.path, batch.status()));
  return conversation->run(makeAnswerers(**batch, *constraints));
}

void addRunCommand(CLI::App &app, Invocation &invocation) {
  auto options = std::make_shared<RunOptions>();
  CLI::App *command = app.add_subcommand("run", "Generate text, or hold a conversation");
  addRunOptions(*command, *options);
  command->callback([options, &invocation] {
    invocation.result = options->interpret ? continueInCompiler(invocation) : run(*options);
  });
}

} // namespace llmc::tool
