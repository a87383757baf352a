//===- EmbedTexts.cpp - texts become vectors, whatever engine makes them --------------------------------===//
#include "tools/llmc/EmbedTexts.h"
#include "tools/llmc/Json.h"
#include "tools/llmc/TextInputs.h"

#include "runtime/core/Generator.h"
#include "runtime/io/Message.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include <CLI/CLI.hpp>
#include <chrono>

namespace llmc::tool {

void addEmbedOptions(CLI::App &command, EmbedOptions &options) {
  addModelOptions(command, options.model);
  addAdapterChoice(command, options.model);
  command.add_option("TEXT", options.texts,
                     "The texts; without any, each line of the standard input stream is one");
  command.add_flag("--truncate", options.truncate, "Cut texts that are longer than the model's context");
  command.add_flag("--json", options.json, "Print one JSON object instead of a line of numbers a text");
  command
      .add_flag("--interpret", options.interpret,
                "FILE is a checkpoint, run by the reference semantics of the compiler's operations: slow, "
                "and right by definition")
      ->excludes("--lora")
      ->group("Debugging");
  command.footer("Examples:\n"
                 "  llmc embed minilm.llmc \"A sentence.\" \"Another one.\"\n"
                 "  llmc embed minilm.llmc --json < lines.txt");
}

namespace {

/// Cuts `ids` to `limit`, keeping the special tokens at their end.
void truncate(std::vector<int32_t> &ids, size_t limit, const text::Tokenizer &tokenizer) {
  if (ids.size() <= limit)
    return;
  size_t ending = 0;
  while (ending < limit && tokenizer.isSpecial(ids[ids.size() - 1 - ending]))
    ++ending;
  ids.erase(ids.begin() + (limit - ending), ids.end() - ending);
}

absl::StatusOr<std::vector<int32_t>> encode(const EmbeddingModel &model, const std::string &text,
                                            const EmbedOptions &options) {
  absl::StatusOr<std::vector<int32_t>> ids = model.tokenizer.encode(text);
  size_t limit = model.contextLength;
  if (!ids.ok() || ids->size() <= limit)
    return ids;
  if (!options.truncate)
    return absl::OutOfRangeError(absl::StrCat("has ", ids->size(), " tokens, expected at most ", limit,
                                              "; --truncate cuts texts to that"));
  truncate(*ids, limit, model.tokenizer);
  return ids;
}

void printPlain(absl::Span<const float> embedding) {
  for (size_t i = 0; i < embedding.size(); ++i)
    absl::PrintF("%s%.9g", i == 0 ? "" : " ", embedding[i]);
  absl::PrintF("\n");
}

} // namespace

ExitCode embedTexts(const EmbedOptions &options, const EmbeddingModel &model, EmbeddingEngine engine) {
  const std::vector<std::string> texts = textsOrLines(options.texts);
  if (texts.empty())
    return failUsage(
        "embed: no text was given, neither on the command line nor on the standard input stream");

  auto start = std::chrono::steady_clock::now();
  Json embeddings = Json::array();
  int64_t tokens = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    absl::StatusOr<std::vector<int32_t>> ids = encode(model, texts[i], options);
    absl::StatusOr<std::vector<float>> embedding =
        ids.ok() ? engine(*ids) : absl::StatusOr<std::vector<float>>(ids.status());
    if (!embedding.ok())
      return fail(io::withContext(absl::StrCat("text ", i + 1), embedding.status()));
    tokens += ids->size();
    if (options.json)
      embeddings.push_back({{"tokens", ids->size()}, {"embedding", *embedding}});
    else
      printPlain(*embedding);
  }
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (options.json)
    printJson({{"model", options.model.path},
               {"embeddings", std::move(embeddings)},
               {"load_seconds", model.loadSeconds},
               {"tokens_per_second", tokens / seconds},
               {"peak_memory_bytes", runtime::peakResidentBytes()}});
  absl::FPrintF(stderr, "%d texts, %d tokens, %.1f tokens/s; loaded in %.3f s; peak memory %d MiB\n",
                texts.size(), tokens, tokens / seconds, model.loadSeconds,
                runtime::peakResidentBytes() >> 20);
  return ExitCode::Success;
}

} // namespace llmc::tool
