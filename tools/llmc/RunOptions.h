//===- RunOptions.h - the command line of llmc run ------------------------------------------------------===//
#ifndef LLMC_TOOLS_LLMC_RUNOPTIONS_H
#define LLMC_TOOLS_LLMC_RUNOPTIONS_H

#include "runtime/generate/TextGeneration.h"
#include "tools/llmc/Model.h"

#include <optional>
#include <string>
#include <vector>

namespace llmc::tool {

/// The options of llmc run.
struct RunOptions {
  ModelOptions model;
  std::optional<std::string> prompt, promptFile;
  uint64_t skippedPrompts = 0; ///< of the file
  int64_t parallel = 1;        ///< prompts of the file that are answered at a time
  std::string system;
  bool raw = false;
  int64_t maxTokens = 0;
  bool contextShift = false;
  int64_t keptTokens = 4; ///< when the context is shifted
  // Where absent, the model's recommendation.
  std::optional<float> temperature, topP, minP, repetitionPenalty;
  std::optional<int32_t> topK, beams;
  std::optional<float> lengthPenalty;
  std::optional<runtime::EarlyStopping> earlyStopping;
  // Where absent, a new one each time.
  std::optional<uint64_t> seed;
  std::vector<std::string> stopStrings;
  std::optional<std::string> grammarFile, jsonSchema;
  std::optional<std::string> draft;
  int32_t draftTokens = 4;
  std::optional<int32_t> logProbabilities;
  bool json = false;
  bool quiet = false;
  bool interpret = false;
};

/// Registers all options of llmc run.
void addRunOptions(CLI::App &command, RunOptions &options);

/// What to generate with: the options, and what `defaults` recommends where they say nothing. Tokens that end
/// a generation are those of `defaults` and of `tokenizer`. Fails if an option is out of its range.
absl::StatusOr<generate::TextOptions> textOptions(const RunOptions &options,
                                                  const runtime::GenerationDefaults &defaults);

} // namespace llmc::tool

#endif // LLMC_TOOLS_LLMC_RUNOPTIONS_H
