//===- Json.h - what --json prints ----------------------------------------------------------------------===//
#ifndef LLMC_TOOLS_LLMC_JSON_H
#define LLMC_TOOLS_LLMC_JSON_H

#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

namespace llmc::tool {

/// Objects keep the order in which their fields were added.
using Json = nlohmann::ordered_json;

/// Prints one object a line to the standard output stream; broken UTF-8 becomes U+FFFD.
inline void printJson(const Json &object) {
  std::string line = object.dump(-1, ' ', false, Json::error_handler_t::replace);
  std::fprintf(stdout, "%s\n", line.c_str());
  std::fflush(stdout);
}

} // namespace llmc::tool

#endif // LLMC_TOOLS_LLMC_JSON_H
