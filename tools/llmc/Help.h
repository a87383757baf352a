//===- Help.h - what --help prints ----------------------------------------------------------------------===//
#ifndef LLMC_TOOLS_LLMC_HELP_H
#define LLMC_TOOLS_LLMC_HELP_H

#include <CLI/CLI.hpp>
#include <string>

namespace llmc::tool {

/// Help that fits into 80 columns: usage, arguments, options by group, subcommands, and the footer
/// (examples). The value of an option is shown by its option_text().
class HelpFormatter : public CLI::Formatter {
public:
  std::string make_help(const CLI::App *app, std::string name, CLI::AppFormatMode mode) const override;
};

} // namespace llmc::tool

#endif // LLMC_TOOLS_LLMC_HELP_H
