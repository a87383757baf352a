//===- Run.cpp - llmc run -------------------------------------------------------------------------------===//
#include "tools/llmc/Commands.h"
#include "tools/llmc/Constraint.h"
#include "tools/llmc/Conversation.h"
#include "tools/llmc/Draft.h"

#include <CLI/CLI.hpp>
#include <memory>

namespace llmc::tool {

static ExitCode run(const RunOptions &options) {
  ExitCode code = ExitCode::Success;
  Model model = loadModel(options.model, runtime::GENERATE, code);
  if (!model.artifact)
    return code;
  absl::StatusOr<generate::TextOptions> text =
      textOptions(options, model.artifact->manifest().generation_defaults());
  if (!text.ok())
    return failUsage(absl::string_view(text.status().message()));
  auto constraint = constraintOf(options, *model.tokenizer);
  if (!constraint.ok())
    return fail(constraint.status());
  text->generation.rules.constraint = *std::move(constraint);
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
  return conversation->run(generate::engineOf(*model.session));
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
