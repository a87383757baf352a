//===- TextInputs.h - the texts that a subcommand is given ----------------------------------------------===//
#ifndef LLMC_TOOLS_LLMC_TEXTINPUTS_H
#define LLMC_TOOLS_LLMC_TEXTINPUTS_H

#include <string>
#include <vector>

namespace llmc::tool {

/// The texts of the command line, or, where there are none, the lines of the standard input stream.
std::vector<std::string> textsOrLines(const std::vector<std::string> &texts);

} // namespace llmc::tool

#endif // LLMC_TOOLS_LLMC_TEXTINPUTS_H
