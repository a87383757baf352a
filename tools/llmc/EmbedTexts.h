//===- EmbedTexts.h - texts become vectors, whatever engine makes them ----------------------------------===//
#ifndef LLMC_TOOLS_LLMC_EMBEDTEXTS_H
#define LLMC_TOOLS_LLMC_EMBEDTEXTS_H

#include "tools/llmc/Model.h"

#include "absl/functional/function_ref.h"

#include <cstdint>
#include <string>
#include <vector>

namespace llmc::tool {

/// The command line of llmc embed.
struct EmbedOptions {
  ModelOptions model;
  std::vector<std::string> texts; ///< none: the lines of the standard input stream
  bool truncate = false;
  bool json = false;
  bool interpret = false;
};

/// Registers all options of llmc embed.
void addEmbedOptions(CLI::App &command, EmbedOptions &options);

/// What a model is beside its engine.
struct EmbeddingModel {
  const text::Tokenizer &tokenizer;
  int64_t contextLength;
  double loadSeconds; ///< for the statistics
};

/// Makes the vector of a text's ids.
using EmbeddingEngine = absl::FunctionRef<absl::StatusOr<std::vector<float>>(absl::Span<const int32_t> text)>;

/// Prints the vectors of the texts, and statistics.
ExitCode embedTexts(const EmbedOptions &options, const EmbeddingModel &model, EmbeddingEngine engine);

} // namespace llmc::tool

#endif // LLMC_TOOLS_LLMC_EMBEDTEXTS_H
