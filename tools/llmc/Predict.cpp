//===- Predict.cpp - llmc predict -----------------------------------------------------------------------===//
#include "tools/llmc/Commands.h"
#include "tools/llmc/OptionChecks.h"
#include "tools/llmc/PredictTexts.h"

#include <CLI/CLI.hpp>
#include <memory>

namespace llmc::tool {

void addPredictOptions(CLI::App &command, PredictOptions &options) {
  addModelOptions(command, options.model);
  command.add_option("TEXT", options.texts,
                     "The texts; without any, each line of the standard input stream is one");
  command.add_option("--question", options.question, "What the texts, which are passages, are to answer")
      ->option_text("TEXT");
  command.add_flag("--pairs", options.pairs, "Each text is two, with a tab between them");
  command
      .add_option("--top-k", options.topK,
                  "How many labels, tokens or answers to print; by default 1, and 5 tokens")
      ->check(wholeNumber(1, 1000000))
      ->option_text("N");
  command
      .add_option("--threshold", options.threshold,
                  "The least score of a label that is printed where several may hold")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str()
      ->option_text("P");
  command.add_option("--max-answer-tokens", options.maxAnswerTokens, "The most tokens of an answer")
      ->check(wholeNumber(1, 1000000))
      ->capture_default_str()
      ->option_text("N");
  command.add_flag("--no-answer", options.noAnswer,
                   "Print an empty answer where none is likelier than the best one");
  command.add_flag("--tokens", options.tokens, "Print the label of each token instead of entities");
  command.add_flag("--truncate", options.truncate, "Cut texts that are longer than the model's context");
  command.add_flag("--json", options.json, "Print one JSON object instead of lines");
  command
      .add_flag("--interpret", options.interpret,
                "FILE is a checkpoint, run by the reference semantics of the compiler's operations: slow, "
                "and right by definition")
      ->group("Debugging");
  command.footer("Examples:\n"
                 "  llmc predict sentiment.llmc \"A fine film.\" \"Not worth it.\"\n"
                 "  llmc predict bert.llmc \"Paris is the [MASK] of France.\"\n"
                 "  llmc predict ner.llmc --json < lines.txt\n"
                 "  llmc predict squad.llmc --question \"Who wrote it?\" \"It was written by Ada.\"");
}

static ExitCode predict(const PredictOptions &options) {
  ExitCode code = ExitCode::Success;
  Model model = loadModel(options.model, runtime::PREDICT, code);
  if (!model.artifact)
    return code;
  const runtime::Manifest &manifest = model.artifact->manifest();
  return predictTexts(
      options,
      {*model.tokenizer, manifest.head(), model.session->contextLength(), model.session->vocabularySize(),
       model.loadSeconds},
      [&](absl::Span<const int32_t> tokens, absl::Span<const int32_t> types,
          absl::Span<const int32_t> wanted) { return model.session->predict(tokens, types, wanted); });
}

void addPredictCommand(CLI::App &app, Invocation &invocation) {
  auto options = std::make_shared<PredictOptions>();
  CLI::App *command = app.add_subcommand("predict", "Label texts, find what they name, fill gaps, answer");
  addPredictOptions(*command, *options);
  command->callback([options, &invocation] {
    invocation.result = options->interpret ? continueInCompiler(invocation) : predict(*options);
  });
}

} // namespace llmc::tool
