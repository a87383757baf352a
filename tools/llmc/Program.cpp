#include "tools/llmc/Program.h"

#include "tools/llmc/Help.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

#include <CLI/CLI.hpp>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <unistd.h>

namespace llmc::tool {

namespace {

void printError(absl::string_view message) {
  std::string line = absl::StrReplaceAll(message, {{"\n", " "}});
  std::fprintf(stderr, "llmc: %s\n", line.c_str());
}

/// The subcommand that was named, for the hint of a usage error.
std::string helpCommand(const CLI::App &app) {
  std::string names = "llmc ";
  for (auto named = app.get_subcommands(); !named.empty(); named = named.front()->get_subcommands())
    absl::StrAppend(&names, named.front()->get_name(), " ");
  return names + "--help";
}

/// The folder of this program's file; empty if unknown.
std::string programFolder() {
  char path[PATH_MAX];
  ssize_t length = readlink("/proc/self/exe", path, sizeof(path));
  if (length <= 0)
    return "";
  std::string file(path, length);
  return file.substr(0, file.rfind('/'));
}

} // namespace

ExitCode fail(const absl::Status &status, ExitCode code) {
  if (status.code() != absl::StatusCode::kInternal) {
    printError(absl::string_view(status.message()));
    return code;
  }
  printError(absl::StrCat("internal error: ", absl::string_view(status.message())));
  return ExitCode::Internal;
}

ExitCode failUsage(absl::string_view message) {
  printError(message);
  return ExitCode::Usage;
}

ExitCode continueInCompiler(const Invocation &invocation) {
  std::string compiler = absl::StrCat(programFolder(), "/llmc-compiler");
  execv(compiler.c_str(), invocation.arguments);
  return fail(absl::NotFoundError(
      absl::StrCat("this needs the compiler, and '", compiler, "' cannot be started: ", strerror(errno))));
}

int runProgram(int argc, char **argv, const std::function<void(CLI::App &, Invocation &)> &addCommands) {
  CLI::App app("Compiles Transformers to native code and runs them.", "llmc");
  app.formatter(std::make_shared<HelpFormatter>());
  app.set_version_flag("--version", "llmc " LLMC_VERSION, "Print the version and exit");
  app.set_help_flag("-h,--help", "Print this help and exit");
  app.require_subcommand(1);
  // A file that grows beyond the user's limit is an error like a full disk, not the end of the program.
  std::signal(SIGXFSZ, SIG_IGN);
  Invocation invocation{argv};
  addCommands(app, invocation);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success &request) {
    return app.exit(request);
  } catch (const CLI::ParseError &error) {
    bool unknownCommand = argc > 1 && argv[1][0] != '-' && app.get_subcommands().empty();
    std::string problem =
        unknownCommand ? absl::StrCat("there is no subcommand '", argv[1], "'") : error.what();
    return static_cast<int>(failUsage(absl::StrCat(problem, "; see ", helpCommand(app))));
  }
  if ((std::fflush(stdout) != 0 || std::ferror(stdout)) && invocation.result == ExitCode::Success)
    invocation.result = fail(
        absl::DataLossError(absl::StrCat("cannot write to the standard output stream: ", strerror(errno))));
  return static_cast<int>(invocation.result);
}

} // namespace llmc::tool
