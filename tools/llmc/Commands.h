//===- Commands.h - the subcommands of llmc -------------------------------------------------------------===//
#ifndef LLMC_TOOLS_LLMC_COMMANDS_H
#define LLMC_TOOLS_LLMC_COMMANDS_H

#include "tools/llmc/Program.h"

namespace llmc::tool {

// Each registers one subcommand; when it is chosen it runs and sets the result of `invocation`.

void addRunCommand(CLI::App &app, Invocation &invocation);
void addEmbedCommand(CLI::App &app, Invocation &invocation);
void addPredictCommand(CLI::App &app, Invocation &invocation);
void addInspectCommand(CLI::App &app, Invocation &invocation);
void addPerplexityCommand(CLI::App &app, Invocation &invocation);
void addBenchCommand(CLI::App &app, Invocation &invocation);
void addExplainCommand(CLI::App &app, Invocation &invocation);

} // namespace llmc::tool

#endif // LLMC_TOOLS_LLMC_COMMANDS_H
