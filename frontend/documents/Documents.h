//===- Documents.h - the texts of a file ------------------------------------------------------------------===//
#ifndef LLMC_DOCUMENTS_DOCUMENTS_H
#define LLMC_DOCUMENTS_DOCUMENTS_H

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include <string>
#include <vector>

namespace llmc::documents {

/// Calls `take` with one document of the file after the other; documents without text are left out. Memory
/// is that of the largest one. The name of the file says what it is, and whether it is compressed
/// (ByteSource):
///
///     .jsonl, .json   an object of JSON a line, of which `field` is the text
///     .csv, .tsv      a table with a head (CsvParser), of which the column `field` is the text
///     others          plain text, of which two empty lines end a document
///
/// Ends with the first error, of the file (one line that begins with the path) or of `take`.
absl::Status forEachDocument(const std::string &path, absl::string_view field,
                             absl::FunctionRef<absl::Status(absl::string_view)> take);

/// Calls `take` with the values of `fields` in each object of a .jsonl file, or row of a .csv or .tsv table:
/// a list for each field. Of a list of texts, numbers and booleans these are its elements; any of these alone
/// is a list of one. Others are refused. `where` is the place, for messages: "train.jsonl:3".
absl::Status forEachRecord(const std::string &path, absl::Span<const std::string> fields,
                           absl::FunctionRef<absl::Status(absl::string_view where,
                                                          absl::Span<const std::vector<std::string>> values)>
                               take);

} // namespace llmc::documents

#endif // LLMC_DOCUMENTS_DOCUMENTS_H
