//===- CsvParser.h - separated values ---------------------------------------------------------------------===//
#ifndef LLMC_DOCUMENTS_CSVPARSER_H
#define LLMC_DOCUMENTS_CSVPARSER_H

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace llmc::documents {

/// Records of separated values (RFC 4180): a field in double quotes may have separators, line ends, and
/// quotes, which are doubled; other fields have no quotes. Lines end with LF or CR LF; empty ones are no
/// records. A byte order mark of UTF-8 is left out. Errors begin with the number of the line.
class CsvParser {
public:
  /// Takes a record and the line that it begins in.
  using OnRecord = std::function<absl::Status(int64_t line, absl::Span<const std::string> fields)>;

  CsvParser(char separator, OnRecord onRecord) : separator(separator), onRecord(std::move(onRecord)) {}

  /// Takes the next bytes. Ends with the first error, of the format or of the one who takes records.
  absl::Status take(absl::string_view bytes);

  /// What was taken is all: the last line need not have ended.
  absl::Status finish();

private:
  enum class State { FieldStart, Unquoted, Quoted, QuoteInQuoted, CarriageReturn };

  absl::Status parse(absl::string_view bytes);
  absl::Status takeOne(char byte);
  void beginField();
  void endField();
  absl::Status endRecord();
  absl::Status wrong(int64_t where, absl::string_view what) const;

  const char separator;
  const OnRecord onRecord;
  State state = State::FieldStart;
  std::string front; ///< the first bytes, until it is known whether they are a byte order mark
  bool begun = false;
  std::vector<std::string> fields; ///< of the record; the first `complete` of them are
  size_t complete = 0;
  bool hasQuotes = false; ///< the record
  int64_t line = 1, recordLine = 1, quoteLine = 1;
};

} // namespace llmc::documents

#endif // LLMC_DOCUMENTS_CSVPARSER_H
