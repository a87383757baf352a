//===- InspectOptions.h - the command line of llmc inspect ----------------------------------------------===//
#ifndef LLMC_TOOLS_LLMC_INSPECTOPTIONS_H
#define LLMC_TOOLS_LLMC_INSPECTOPTIONS_H

#include "tools/llmc/Program.h"

#include <string>

namespace llmc::tool {

/// The options of llmc inspect.
struct InspectOptions {
  std::string path;
  bool json = false;
  bool definition = false; ///< print the model as a definition
  bool verify = false;     ///< check all checksums of an artifact
};

/// Registers all options of llmc inspect.
void addInspectOptions(CLI::App &command, InspectOptions &options);

} // namespace llmc::tool

#endif // LLMC_TOOLS_LLMC_INSPECTOPTIONS_H
