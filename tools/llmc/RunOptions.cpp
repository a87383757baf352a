#include "tools/llmc/RunOptions.h"

#include "tools/llmc/OptionChecks.h"

#include "absl/strings/str_cat.h"

#include <CLI/CLI.hpp>
#include <limits>
#include <map>
#include <random>

namespace llmc::tool {

static void addLengthOptions(CLI::App &command, RunOptions &options) {
  constexpr auto length = "Length";
  command
      .add_option("-n,--max-tokens", options.maxTokens,
                  "Make at most so many tokens; 0 (the default): no limit")
      ->check(wholeNumber(0, kMostTokens))
      ->option_text("N")
      ->group(length);
  command
      .add_option("--stop", options.stopStrings,
                  "End before the first occurrence of this text; may be given repeatedly")
      ->option_text("TEXT")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->group(length);
  command
      .add_flag("--context-shift", options.contextShift,
                "When the context is full, go on with its first and later tokens instead of ending")
      ->group(length);
  command
      .add_option("--keep", options.keptTokens,
                  "With --context-shift: so many first tokens stay, by default 4")
      ->check(wholeNumber(0, kMostTokens))
      ->option_text("N")
      ->needs("--context-shift")
      ->group(length);
}

static void addFormOptions(CLI::App &command, RunOptions &options) {
  constexpr auto form = "Form";
  command.add_option("--grammar", options.grammarFile, "Answer with a text of this grammar, in GBNF")
      ->check(pathOfFile())
      ->option_text("FILE")
      ->group(form);
  command
      .add_option(
          "--json-schema", options.jsonSchema,
          "Answer with JSON that this schema accepts, a file or, if it begins with {, the schema itself")
      ->check(pathOfFile())
      ->option_text("SCHEMA")
      ->excludes("--grammar")
      ->group(form);
}

static void addSpeedOptions(CLI::App &command, RunOptions &options) {
  constexpr auto speed = "Speculative decoding";
  command
      .add_option(
          "--draft", options.draft,
          "An artifact of a smaller model with the same tokenizer, whose proposals are checked several at "
          "a time")
      ->check(pathOfFile())
      ->option_text("FILE")
      ->group(speed);
  command
      .add_option("--draft-tokens", options.draftTokens, "Tokens that are proposed at a time, by default 4")
      ->check(wholeNumber(1, 1024))
      ->option_text("N")
      ->needs("--draft")
      ->group(speed);
}

static void addSamplingOptions(CLI::App &command, RunOptions &options) {
  constexpr auto sampling = "Sampling (by default what the model recommends, else greedy)";
  command
      .add_option("-t,--temperature", options.temperature,
                  "Divide the logits by this; 0: always take the most likely token (greedy)")
      ->option_text("X")
      ->group(sampling);
  command.add_option("--top-k", options.topK, "Only the N most likely tokens; 0: all")
      ->check(wholeNumber(0, std::numeric_limits<int32_t>::max()))
      ->option_text("N")
      ->group(sampling);
  command
      .add_option("--top-p", options.topP,
                  "Only the most likely tokens that together have probability X; 1: all")
      ->option_text("X")
      ->group(sampling);
  command
      .add_option("--min-p", options.minP,
                  "Only tokens at least X times as likely as the most likely one; 0: all")
      ->option_text("X")
      ->group(sampling);
  command
      .add_option("--repetition-penalty", options.repetitionPenalty,
                  "Make tokens that were there before less likely by this factor; 1: no change")
      ->option_text("X")
      ->group(sampling);
  command.add_option("--seed", options.seed, "Draw the same each time; by default differently")
      ->check(wholeNumber(0, std::numeric_limits<uint64_t>::max()))
      ->option_text("N")
      ->group(sampling);
}

static void addBeamOptions(CLI::App &command, RunOptions &options) {
  constexpr auto search = "Beam search (by default what the model recommends, else none)";
  command
      .add_option("--beams", options.beams,
                  "Continue the N best texts side by side and print the best; 1: no search. Needs a "
                  "temperature of 0, which it has by default")
      ->check(wholeNumber(1, runtime::kMostBeams))
      ->option_text("N")
      ->group(search);
  command
      .add_option("--length-penalty", options.lengthPenalty,
                  "Divide a text's log probability by its length to this power: above 0 prefers longer texts")
      ->option_text("X")
      ->group(search);
  command
      .add_option("--early-stopping", options.earlyStopping,
                  "End with N finished texts: yes; when the best unfinished one would not be among them now: "
                  "no; when it never can: never")
      ->transform(CLI::Transformer(
                      std::map<std::string, runtime::EarlyStopping>{{"no", runtime::EarlyStopping::No},
                                                                    {"yes", runtime::EarlyStopping::Yes},
                                                                    {"never", runtime::EarlyStopping::Never}})
                      .description(""))
      ->option_text("WHEN")
      ->group(search);
}

void addRunOptions(CLI::App &command, RunOptions &options) {
  addModelOptions(command, options.model);
  addAdapterChoice(command, options.model);
  command
      .add_option("-p,--prompt", options.prompt,
                  "Answer this and exit. Without it the prompt is read from the standard input stream, as a "
                  "whole where "
                  "it is a file or a pipe, as a conversation where it is a terminal")
      ->option_text("TEXT");
  command
      .add_option(
          "--prompts", options.promptFile,
          "Answer the prompts of this file, one a line (.jsonl, .json: objects with prompt or messages), "
          "by one JSON object each")
      ->check(pathOfFile())
      ->option_text("FILE")
      ->excludes("--prompt");
  command
      .add_option("--skip", options.skippedPrompts,
                  "Leave out the first N prompts of the file, such as those that have answers already")
      ->check(wholeNumber(0, kMostTokens))
      ->option_text("N")
      ->needs("--prompts");
  command
      .add_option(
          "--parallel", options.parallel,
          "Answer N prompts of the file at a time, in common steps, which read the weights once for all; the "
          "answers are the same")
      ->check(wholeNumber(1, kMostSequences))
      ->option_text("N")
      ->needs("--prompts");
  command.add_option("--system", options.system, "Instructions that come before the conversation")
      ->option_text("TEXT");
  command.add_flag("--raw", options.raw, "Give the prompt to the model as it is, without its chat template");
  addLengthOptions(command, options);
  addSamplingOptions(command, options);
  addBeamOptions(command, options);
  addFormOptions(command, options);
  addSpeedOptions(command, options);
  command
      .add_option("--logprobs", options.logProbabilities,
                  "Print a line for each token with its log probability and those of the N most likely ones")
      ->check(wholeNumber(0, kMostTokens))
      ->option_text("N")
      ->group("Output");
  command.add_flag("--json", options.json, "Print one JSON object an answer, instead of streaming it")
      ->group("Output");
  command.add_flag("-q,--quiet", options.quiet, "Print no statistics to the standard error stream")
      ->group("Output");
  command
      .add_flag("--interpret", options.interpret,
                "FILE is a checkpoint, run by the reference semantics of the compiler's operations: slow, "
                "and right by "
                "definition")
      ->excludes("--parallel")
      ->excludes("--lora")
      ->group("Debugging");
  command.footer(
      "Examples:\n"
      "  llmc run model.llmc                                    # a conversation\n"
      "  llmc run model.llmc --prompt \"What is a compiler?\" --max-tokens 100\n"
      "  llmc run model.llmc --raw --prompt \"Once upon a time\" --temperature 0.8 --top-p 0.9 --seed 1\n"
      "  llmc run model.llmc --json < question.txt");
}

absl::StatusOr<generate::TextOptions> textOptions(const RunOptions &options,
                                                  const runtime::GenerationDefaults &defaults) {
  generate::TextOptions text;
  runtime::SamplingOptions &sampling = text.generation.sampling;
  sampling.temperature =
      options.temperature.value_or(defaults.has_temperature() ? defaults.temperature() : 0);
  sampling.topK = options.topK.value_or(defaults.has_top_k() ? static_cast<int32_t>(defaults.top_k()) : 0);
  sampling.topP = options.topP.value_or(defaults.has_top_p() ? defaults.top_p() : 1);
  sampling.minP = options.minP.value_or(defaults.has_min_p() ? defaults.min_p() : 0);
  sampling.repetitionPenalty = options.repetitionPenalty.value_or(
      defaults.has_repetition_penalty() ? defaults.repetition_penalty() : 1);
  runtime::BeamOptions &beams = text.generation.beams;
  beams = runtime::recommendedBeams(defaults);
  beams.count = options.beams.value_or(beams.count);
  beams.lengthPenalty = options.lengthPenalty.value_or(beams.lengthPenalty);
  beams.earlyStopping = options.earlyStopping.value_or(beams.earlyStopping);
  if (absl::Status status = runtime::checkBeamOptions(beams); !status.ok())
    return status;
  // Who asks for the one does not want what is recommended of the other.
  if (beams.count > 1 && !options.temperature)
    sampling.temperature = 0;
  else if (beams.count > 1 && !options.beams && *options.temperature > 0)
    beams.count = 1;
  if (beams.count > 1 && sampling.temperature > 0)
    return absl::InvalidArgumentError(absl::StrCat("--temperature: ", sampling.temperature,
                                                   ", expected 0 with --beams, which are not sampled"));
  sampling.seed = options.seed.value_or(std::random_device()());
  if (absl::Status status = runtime::checkSamplingOptions(sampling); !status.ok())
    return status;
  text.generation.maxTokens = options.maxTokens;
  text.generation.logProbabilities = options.logProbabilities;
  if (options.contextShift)
    text.generation.keepOnShift = options.keptTokens;
  text.generation.stopTokens.assign(defaults.stop_ids().begin(), defaults.stop_ids().end());
  text.generation.rules = runtime::demandedRules(defaults);
  text.stopStrings = options.stopStrings;
  return text;
}

} // namespace llmc::tool
