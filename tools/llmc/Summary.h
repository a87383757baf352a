//===- Summary.h - what llmc inspect tells -----------------------------------------------------------===//
#ifndef LLMC_TOOLS_LLMC_SUMMARY_H
#define LLMC_TOOLS_LLMC_SUMMARY_H

#include "tools/llmc/Json.h"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace llmc::tool {

/// One tensor of a model.
struct ParameterSummary {
  std::string name;
  std::vector<int64_t> shape;
  std::string format; ///< how its elements are stored, e.g. "Q4_1"
  uint64_t bytes = 0;

  int64_t elements() const;
};

/// A model, compiled or not, as a person wants to see it.
struct Summary {
  std::string path;
  /// Facts in the order in which they are shown: a name as JSON writes it ("context_length") and a number or
  /// a string.
  std::vector<std::pair<std::string, Json>> facts;
  std::vector<ParameterSummary> parameters;
};

/// Prints `summary` to the standard output stream, as a table or as one JSON object.
void printTable(const Summary &summary);
void printSummaryJson(const Summary &summary);

/// "1.5 G", "135 M", "576": `count` with three digits and a decimal prefix.
std::string abbreviate(double count);

} // namespace llmc::tool

#endif // LLMC_TOOLS_LLMC_SUMMARY_H
