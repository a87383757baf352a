//===- CsvFuzzer.cpp - tables of strangers ------------------------------------------------------------===//
//
// The input is a table. Its records do not depend on how its bytes come, and can be written and read again.
//
//===----------------------------------------------------------------------------------------------------===//
#include "frontend/documents/CsvParser.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

#include <cstdlib>

namespace {

using namespace llmc::documents;

struct Table {
  std::vector<std::vector<std::string>> records;
  absl::Status status;

  bool operator==(const Table &) const = default;
};

/// Takes `size` bytes at once.
Table parse(absl::string_view text, size_t size) {
  Table table;
  CsvParser parser(',', [&](int64_t, absl::Span<const std::string> fields) {
    table.records.emplace_back(fields.begin(), fields.end());
    return absl::OkStatus();
  });
  for (; table.status.ok() && !text.empty(); text.remove_prefix(std::min(size, text.size())))
    table.status = parser.take(text.substr(0, size));
  if (table.status.ok())
    table.status = parser.finish();
  return table;
}

std::string write(const Table &table) {
  std::string text;
  for (const std::vector<std::string> &record : table.records) {
    for (const std::string &field : record)
      absl::StrAppend(&text, "\"", absl::StrReplaceAll(field, {{"\"", "\"\""}}), "\",");
    text.back() = '\n';
  }
  return text;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char *>(data), size);
  const Table whole = parse(text, size + 1);
  if (whole != parse(text, 1) || whole != parse(text, 5))
    std::abort();
  if (whole.status.ok() && parse(write(whole), size + 1) != whole)
    std::abort();
  return 0;
}
