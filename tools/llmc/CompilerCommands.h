//===- CompilerCommands.h - what llmc needs the compiler for -----------------------------------------===//
//
// The subcommands, and forms of subcommands, of which llmc itself has only the name. No header of the command
// line library is needed here: it throws, and compiler libraries are built without exceptions.
//
//===----------------------------------------------------------------------------------------------------===//
#ifndef LLMC_TOOLS_LLMC_COMPILERCOMMANDS_H
#define LLMC_TOOLS_LLMC_COMPILERCOMMANDS_H

#include "tools/llmc/EmbedTexts.h"
#include "tools/llmc/InspectOptions.h"
#include "tools/llmc/PredictTexts.h"
#include "tools/llmc/Program.h"
#include "tools/llmc/RunOptions.h"

#include <cstdint>
#include <string>
#include <vector>

namespace llmc::tool {

/// The command line of llmc compile.
struct CompileRequest {
  std::string model;
  std::string output; ///< empty: the standard output stream, for levels that are text
  std::string target = "cpu";
  std::vector<std::string> gpuArchs; ///< empty: the usual ones
  bool streamWeights = false;
  std::string targetCpu = "native";
  int64_t context = 0;
  int64_t rowsPerStep = 0;
  std::string dtype = "auto";
  std::string cacheType = "auto";
  int64_t activationBits = 16;
  std::string weights = "all";
  std::string emit = "artifact";
  std::string stopAfter, startFrom;
  bool noHead = false;
  std::string pooling;                       ///< one of poolings(); empty: as the files say
  std::vector<std::string> adapters;         ///< DIRECTORY or DIRECTORY,SCALE
  std::vector<std::string> separateAdapters; ///< the same behind NAME=
  bool verifyNumerics = false, timing = false, statistics = false, remarks = false, quiet = false;
};

ExitCode compileCheckpoint(const CompileRequest &request);

/// What --pooling of llmc compile can be.
std::vector<std::string> poolings();

/// The command line of llmc convert.
struct ConvertRequest {
  std::string model, output;
  std::string dtype; ///< one of convertedTypes(); empty: as the model's elements are stored
  bool quiet = false;
};

ExitCode convertModel(const ConvertRequest &request);

/// What --dtype of llmc convert can be.
std::vector<std::string> convertedTypes();

/// The command line of llmc train.
struct TrainRequest {
  std::string recipe, output, tokenizer;
  std::string target = "cpu";
  std::vector<std::string> gpuArchs;
  std::vector<int64_t> productTiles; ///< columns and parts, or empty
  bool debugNumerics = false;
  std::string targetCpu = "native";
  std::string emit = "artifact";
  bool quiet = false;
};

ExitCode compileRecipe(const TrainRequest &request);

/// Prints the presets of model definitions, one a line.
void listPresets();

/// The command line of llmc data pack.
struct PackRequest {
  std::vector<std::string> inputs;
  std::string tokenizer, output;
  std::string field = "text";
  std::string label, wordLabels, number; ///< fields with what is to be predicted; at most one is there
  std::vector<std::string> texts,
      preference; ///< fields with texts that belong together; one of the two is empty
  bool specialTokens = false;
  double validation = 0.01;
};

ExitCode packData(const PackRequest &request);

/// The command line of llmc tokenizer train.
struct TokenizerRequest {
  std::vector<std::string> inputs;
  std::string output; ///< a folder, or the tokenizer.json itself
  std::string field = "text";
  int64_t vocabularySize = 0;
  int64_t minFrequency = 2;
  std::vector<std::string> specialTokens = {"<|endoftext|>"};
};

ExitCode trainTokenizer(const TokenizerRequest &request);

/// Prints the processors that --target-cpu knows, one a line.
void listProcessors();

/// llmc run --interpret.
ExitCode runInterpreted(const RunOptions &options);

/// llmc embed --interpret.
ExitCode embedInterpreted(const EmbedOptions &options);

/// llmc predict --interpret.
ExitCode predictInterpreted(const PredictOptions &options);

/// llmc inspect on a checkpoint.
ExitCode inspectCheckpoint(const InspectOptions &options);

} // namespace llmc::tool

#endif // LLMC_TOOLS_LLMC_COMPILERCOMMANDS_H
