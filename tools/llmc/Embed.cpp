//===- Embed.cpp - llmc embed ---------------------------------------------------------------------------===//
#include "tools/llmc/Commands.h"
#include "tools/llmc/EmbedTexts.h"

#include <CLI/CLI.hpp>
#include <memory>

namespace llmc::tool {

static ExitCode embed(const EmbedOptions &options) {
  ExitCode code = ExitCode::Success;
  Model model = loadModel(options.model, runtime::EMBED, code);
  if (!model.artifact)
    return code;
  return embedTexts(options, {*model.tokenizer, model.session->contextLength(), model.loadSeconds},
                    [&](absl::Span<const int32_t> text) -> absl::StatusOr<std::vector<float>> {
                      absl::StatusOr<absl::Span<const float>> embedding = model.session->embed(text);
                      if (!embedding.ok())
                        return embedding.status();
                      return std::vector<float>(embedding->begin(), embedding->end());
                    });
}

void addEmbedCommand(CLI::App &app, Invocation &invocation) {
  auto options = std::make_shared<EmbedOptions>();
  CLI::App *command = app.add_subcommand("embed", "Turn texts into vectors");
  addEmbedOptions(*command, *options);
  command->callback([options, &invocation] {
    invocation.result = options->interpret ? continueInCompiler(invocation) : embed(*options);
  });
}

} // namespace llmc::tool
