//===- main.cpp - llmc ----------------------------------------------------------------------------------===//
//
// What deploys with an artifact: no compiler is linked into it, so that it starts in milliseconds. What needs
// the compiler goes on in llmc-compiler (CompilerMain.cpp), with the same command line.
//
//===----------------------------------------------------------------------------------------------------===//
#include "tools/llmc/Commands.h"

#include <CLI/CLI.hpp>

using namespace llmc::tool;

static void addCompileCommand(CLI::App &app, Invocation &invocation) {
  CLI::App *command = app.add_subcommand("compile", "Turn a checkpoint into an artifact");
  command->prefix_command()->set_help_flag();
  command->callback([&invocation] { invocation.result = continueInCompiler(invocation); });
}

int main(int argc, char **argv) {
  return runProgram(argc, argv, [](CLI::App &app, Invocation &invocation) {
    addCompileCommand(app, invocation);
    addRunCommand(app, invocation);
    addEmbedCommand(app, invocation);
    addInspectCommand(app, invocation);
    addBenchCommand(app, invocation);
  });
}
