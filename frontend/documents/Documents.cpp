#include "frontend/documents/Documents.h"

#include "frontend/documents/ByteSource.h"
#include "frontend/documents/CsvParser.h"
#include "frontend/json/Parse.h"
#include "runtime/io/Message.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

namespace llmc::documents {

namespace {

using Take = absl::FunctionRef<absl::Status(absl::string_view)>;

absl::Status takeText(absl::string_view text, Take take) {
  return text.empty() ? absl::OkStatus() : take(text);
}

/// An error of what stands in a line of the file.
absl::Status wrongLine(const std::string &path, int64_t line, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(path, ":", line, ": ", what));
}

absl::Status forEachChunk(const std::string &path, Take take) {
  absl::StatusOr<std::unique_ptr<ByteSource>> source = ByteSource::open(path);
  if (!source.ok())
    return source.status();
  std::vector<char> buffer(256 * 1024);
  while (true) {
    absl::StatusOr<size_t> count = (*source)->read(absl::MakeSpan(buffer));
    if (!count.ok())
      return count.status();
    if (*count == 0)
      return absl::OkStatus();
    if (absl::Status status = take({buffer.data(), *count}); !status.ok())
      return status;
  }
}

/// Lines without the line feed that ends them.
absl::Status forEachLine(const std::string &path, Take take) {
  std::string line; // of which the end is not there yet
  absl::Status status = forEachChunk(path, [&](absl::string_view chunk) {
    for (size_t end; (end = chunk.find('\n')) != absl::string_view::npos; chunk.remove_prefix(end + 1)) {
      absl::StrAppend(&line, chunk.substr(0, end));
      if (absl::Status status = take(line); !status.ok())
        return status;
      line.clear();
    }
    absl::StrAppend(&line, chunk);
    return absl::OkStatus();
  });
  return !status.ok() || line.empty() ? status : take(line);
}

absl::Status forEachJsonText(const std::string &path, absl::string_view field, Take take) {
  int64_t number = 0;
  return forEachLine(path, [&](absl::string_view line) {
    ++number;
    if (absl::StripAsciiWhitespace(line).empty())
      return absl::OkStatus();
    const nlohmann::json json = nlohmann::json::parse(line, nullptr, false);
    if (!json.is_object())
      return wrongLine(
          path, number,
          absl::StrCat("is no object of JSON, expected one with a text in the field ", io::quote(field)));
    const auto value = json.find(field);
    if (value == json.end() || !value->is_string())
      return wrongLine(path, number,
                       absl::StrCat("field ", io::quote(field), ": expected a text, found ",
                                    value == json.end() ? "nothing" : json::describe(*value)));
    return takeText(value->get_ref<const std::string &>(), take);
  });
}

/// The place of the column that is called `field`.
absl::StatusOr<size_t> findColumn(absl::Span<const std::string> head, absl::string_view field) {
  const auto count = std::count(head.begin(), head.end(), field);
  if (count == 0)
    return absl::NotFoundError(
        absl::StrCat("has no column ", io::quote(field), ", found ", io::quote(absl::StrJoin(head, ", "))));
  if (count > 1)
    return absl::InvalidArgumentError(
        absl::StrCat("has ", count, " columns ", io::quote(field), ", expected one"));
  return std::find(head.begin(), head.end(), field) - head.begin();
}

absl::Status forEachTableText(const std::string &path, char separator, absl::string_view field, Take take) {
  std::optional<size_t> column;
  size_t columns = 0;
  absl::Status taken; // an error of the one who takes texts is not one of a line
  CsvParser parser(separator, [&](int64_t line, absl::Span<const std::string> record) {
    if (!column) {
      absl::StatusOr<size_t> found = findColumn(record, field);
      if (!found.ok())
        return absl::InvalidArgumentError(absl::StrCat(line, ": ", found.status().message()));
      column = *found;
      columns = record.size();
      return absl::OkStatus();
    }
    if (record.size() != columns)
      return absl::InvalidArgumentError(
          absl::StrCat(line, ": has ", record.size(), " fields, expected ", columns, " as in the head"));
    return taken = takeText(record[*column], take);
  });
  auto inFile = [&](const absl::Status &status) {
    return status.ok() || !taken.ok()
               ? status
               : absl::Status(status.code(), absl::StrCat(path, ":", status.message()));
  };
  absl::Status status =
      forEachChunk(path, [&](absl::string_view chunk) { return inFile(parser.take(chunk)); });
  if (status.ok())
    status = inFile(parser.finish());
  if (status.ok() && !column)
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": is empty, expected a head with a column ", io::quote(field)));
  return status;
}

absl::Status forEachPlainText(const std::string &path, Take take) {
  std::string document;
  auto finish = [&] {
    absl::string_view text = document;
    while (absl::ConsumePrefix(&text, "\n")) {
    }
    while (absl::ConsumeSuffix(&text, "\n")) {
    }
    absl::Status status = takeText(text, take);
    document.clear();
    return status;
  };
  absl::Status status = forEachLine(path, [&](absl::string_view line) {
    absl::StrAppend(&document, line, "\n");
    return absl::EndsWith(document, "\n\n\n") ? finish() : absl::OkStatus();
  });
  return status.ok() ? finish() : status;
}

} // namespace

absl::Status forEachDocument(const std::string &path, absl::string_view field, Take take) {
  const absl::string_view name = withoutCompression(path);
  if (absl::EndsWith(name, ".jsonl") || absl::EndsWith(name, ".json"))
    return forEachJsonText(path, field, take);
  if (absl::EndsWith(name, ".csv") || absl::EndsWith(name, ".tsv"))
    return forEachTableText(path, absl::EndsWith(name, ".tsv") ? '\t' : ',', field, take);
  return forEachPlainText(path, take);
}

} // namespace llmc::documents
