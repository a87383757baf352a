#include "tools/llmc/Summary.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"

#include <algorithm>
#include <map>

namespace llmc::tool {

int64_t ParameterSummary::elements() const {
  int64_t count = 1;
  for (int64_t size : shape)
    count *= size;
  return count;
}

std::string abbreviate(double count) {
  const char *prefixes[] = {"", " k", " M", " G", " T", " P"};
  size_t power = 0;
  for (; count >= 999.5 && power + 1 < std::size(prefixes); ++power)
    count /= 1000;
  if (power == 0)
    return absl::StrFormat("%.0f", count);
  int decimals = count < 9.995 ? 2 : count < 99.95 ? 1 : 0;
  return absl::StrFormat("%.*f%s", decimals, count, prefixes[power]);
}

static std::string valueText(const std::string &name, const Json &value) {
  if (value.is_string())
    return value.get<std::string>();
  if (!value.is_number())
    return value.dump();
  std::string exact = value.dump();
  if (absl::EndsWith(name, "_bytes") || absl::StrContains(name, "bytes_per"))
    return absl::StrCat(abbreviate(value.get<double>()), "B (", exact, ")");
  return value.get<double>() >= 1e5 ? absl::StrCat(abbreviate(value.get<double>()), " (", exact, ")") : exact;
}

namespace {
/// Totals over the parameters of one storage format.
struct FormatTotal {
  int64_t tensors = 0, elements = 0;
  uint64_t bytes = 0;
};
} // namespace

static std::map<std::string, FormatTotal> totalsOf(const Summary &summary) {
  std::map<std::string, FormatTotal> totals;
  for (const ParameterSummary &parameter : summary.parameters) {
    FormatTotal &total = totals[parameter.format];
    ++total.tensors;
    total.elements += parameter.elements();
    total.bytes += parameter.bytes;
  }
  return totals;
}

void printTable(const Summary &summary) {
  absl::PrintF("%s\n\n", summary.path);
  for (const auto &[name, value] : summary.facts)
    absl::PrintF("%-28s %s\n", absl::StrReplaceAll(name, {{"_", " "}}), valueText(name, value));
  absl::PrintF("\n%-28s %10s %12s %12s\n", "weights stored as", "tensors", "parameters", "bytes");
  for (const auto &[format, total] : totalsOf(summary))
    absl::PrintF("%-28s %10d %12s %12s\n", format, total.tensors, abbreviate(total.elements),
                 abbreviate(total.bytes));

  size_t width = 9;
  for (const ParameterSummary &parameter : summary.parameters)
    width = std::max(width, parameter.name.size());
  absl::PrintF("\n%-*s %-16s %-8s %12s\n", width, "parameter", "shape", "format", "bytes");
  for (const ParameterSummary &parameter : summary.parameters)
    absl::PrintF("%-*s %-16s %-8s %12d\n", width, parameter.name, absl::StrJoin(parameter.shape, "x"),
                 parameter.format, parameter.bytes);
}

void printSummaryJson(const Summary &summary) {
  Json object = {{"model", summary.path}};
  for (const auto &[name, value] : summary.facts)
    object[name] = value;
  Json parameters = Json::array();
  for (const ParameterSummary &parameter : summary.parameters)
    parameters.push_back({{"name", parameter.name},
                          {"shape", parameter.shape},
                          {"format", parameter.format},
                          {"bytes", parameter.bytes}});
  object["parameters"] = std::move(parameters);
  printJson(object);
}

} // namespace llmc::tool
