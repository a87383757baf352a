//===- main.cpp - llmc ----------------------------------------------------------------------------------===//
//
// What deploys with an artifact: no compiler is linked into it, so that it starts in milliseconds. What needs
// the compiler goes on in llmc-compiler (CompilerMain.cpp), with the same command line.
//
//===----------------------------------------------------------------------------------------------------===//
#include "tools/llmc/Commands.h"

#include <CLI/CLI.hpp>

using namespace llmc::tool;

/// A subcommand of which this program has only the name.
static void addCompilerCommand(CLI::App &app, Invocation &invocation, const char *name,
                               const char *description) {
  CLI::App *command = app.add_subcommand(name, description);
  command->prefix_command()->set_help_flag();
  command->callback([&invocation] { invocation.result = continueInCompiler(invocation); });
}

int main(int argc, char **argv) {
  return runProgram(argc, argv, [](CLI::App &app, Invocation &invocation) {
    addCompilerCommand(app, invocation, "compile", "Turn a checkpoint into an artifact");
    addCompilerCommand(app, invocation, "convert", "Write a checkpoint in another format or element type");
    addCompilerCommand(app, invocation, "train", "Turn a recipe into a program that trains");
    addCompilerCommand(app, invocation, "tokenizer", "Learn how text becomes tokens");
    addCompilerCommand(app, invocation, "data", "Prepare texts for training");
    addRunCommand(app, invocation);
    addEmbedCommand(app, invocation);
    addPredictCommand(app, invocation);
    addInspectCommand(app, invocation);
    addExplainCommand(app, invocation);
    addPerplexityCommand(app, invocation);
    addBenchCommand(app, invocation);
  });
}
