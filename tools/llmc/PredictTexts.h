//===- PredictTexts.h - what a model with a head says of texts ------------------------------------------===//
#ifndef LLMC_TOOLS_LLMC_PREDICTTEXTS_H
#define LLMC_TOOLS_LLMC_PREDICTTEXTS_H

#include "tools/llmc/Model.h"

#include "absl/functional/function_ref.h"
#include "runtime/core/artifact.pb.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace llmc::tool {

/// The command line of llmc predict.
struct PredictOptions {
  ModelOptions model;
  std::vector<std::string> texts; ///< none: the lines of the standard input stream
  bool pairs = false;
  std::optional<std::string> question;
  int64_t topK = 0; ///< 0: what suits the head
  double threshold = 0.5;
  int64_t maxAnswerTokens = 15;
  bool noAnswer = false;
  bool tokens = false;
  bool truncate = false;
  bool json = false;
  bool interpret = false;
};

/// Registers all options of llmc predict.
void addPredictOptions(CLI::App &command, PredictOptions &options);

/// Computes the outputs of the tokens `wanted`, [wanted, width], of a text; valid until the next call.
using HeadEngine = absl::FunctionRef<absl::StatusOr<absl::Span<const float>>(
    absl::Span<const int32_t> tokens, absl::Span<const int32_t> types, absl::Span<const int32_t> wanted)>;

/// What a model is beside its engine.
struct PredictingModel {
  const text::Tokenizer &tokenizer;
  const runtime::Head &head;
  int64_t contextLength;
  int64_t vocabularySize;
  double loadSeconds; ///< for the statistics
};

/// Prints what the model says of the texts, and statistics.
ExitCode predictTexts(const PredictOptions &options, const PredictingModel &model, HeadEngine engine);

} // namespace llmc::tool

#endif // LLMC_TOOLS_LLMC_PREDICTTEXTS_H
