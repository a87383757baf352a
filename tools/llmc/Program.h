//===- Program.h - what the subcommands of llmc share ---------------------------------------------------===//
#ifndef LLMC_TOOLS_LLMC_PROGRAM_H
#define LLMC_TOOLS_LLMC_PROGRAM_H

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

#include <functional>
#include <string>

namespace CLI {
class App;
} // namespace CLI

namespace llmc::tool {

/// What llmc's exit status means. Documented in docs/tools/README.md; numbers never change.
enum class ExitCode {
  Success = 0,
  /// The input or the surroundings are at fault: a damaged file, a full disk. The last line of the standard
  /// error stream says what.
  Failure = 1,
  /// The command line is at fault.
  Usage = 2,
  /// The artifact is sound, but made for another processor or another version of llmc.
  WrongMachine = 3,
  /// --verify-numerics found a pass that departs beyond its bound.
  Numerics = 4,
  /// A defect of llmc.
  Internal = 70,
  /// Ended by Ctrl-C.
  Interrupted = 130,
};

/// Prints "llmc: MESSAGE", in one line, to the standard error stream and returns the exit code of `status`:
/// Internal for kInternal, else `code`.
ExitCode fail(const absl::Status &status, ExitCode code = ExitCode::Failure);

/// Prints "llmc: MESSAGE" and returns Usage.
ExitCode failUsage(absl::string_view message);

/// The command line as the subcommands see it.
struct Invocation {
  char **arguments; ///< argv
  ExitCode result = ExitCode::Success;
};

/// Parses the command line with the options that `addCommands` registers, runs the subcommand that was
/// chosen, and returns the exit status of the program. `--help`, `--version` and usage errors are dealt with
/// here.
int runProgram(int argc, char **argv, const std::function<void(CLI::App &, Invocation &)> &addCommands);

/// The same command line in llmc-compiler, the program beside this one that has the compiler in it: this
/// program is replaced by it. Returns only if that fails.
ExitCode continueInCompiler(const Invocation &invocation);

} // namespace llmc::tool

#endif // LLMC_TOOLS_LLMC_PROGRAM_H
