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

using TakeObject = absl::FunctionRef<absl::Status(int64_t line, const nlohmann::json &object)>;

absl::Status forEachObject(const std::string &path, absl::string_view field, TakeObject take) {
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
    return take(number, json);
  });
}

absl::Status wrongField(const std::string &path, int64_t line, absl::string_view field,
                        const nlohmann::json &object, absl::string_view expected) {
  const auto value = object.find(field);
  return wrongLine(path, line,
                   absl::StrCat("field ", io::quote(field), ": expected ", expected, ", found ",
                                value == object.end() ? "nothing" : json::describe(*value)));
}

absl::Status forEachJsonText(const std::string &path, absl::string_view field, Take take) {
  return forEachObject(path, field, [&](int64_t line, const nlohmann::json &object) {
    const auto value = object.find(field);
    if (value == object.end() || !value->is_string())
      return wrongField(path, line, field, object, "a text");
    return takeText(value->get_ref<const std::string &>(), take);
  });
}

std::optional<std::string> textOf(const nlohmann::json &value) {
  if (value.is_string())
    return value.get<std::string>();
  return value.is_number() || value.is_boolean() ? std::optional(value.dump()) : std::nullopt;
}

/// The value as a list; nothing if it is neither a list of scalars nor one.
std::optional<std::vector<std::string>> listOf(const nlohmann::json &value) {
  std::vector<std::string> list;
  if (!value.is_array()) {
    std::optional<std::string> text = textOf(value);
    return text ? std::optional(std::vector<std::string>{*text}) : std::nullopt;
  }
  for (const nlohmann::json &element : value) {
    std::optional<std::string> text = textOf(element);
    if (!text)
      return std::nullopt;
    list.push_back(*std::move(text));
  }
  return list;
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

using TakeRow = absl::FunctionRef<absl::Status(int64_t line, absl::Span<const std::string> values)>;

/// The columns `fields` of each row.
absl::Status forEachRow(const std::string &path, char separator, absl::Span<const std::string> fields,
                        TakeRow take) {
  std::vector<size_t> wanted;
  size_t columns = 0;
  std::vector<std::string> values;
  absl::Status taken; // an error of the one who takes rows is not one of a line
  CsvParser parser(separator, [&](int64_t line, absl::Span<const std::string> record) {
    if (columns == 0) {
      for (const std::string &field : fields) {
        absl::StatusOr<size_t> found = findColumn(record, field);
        if (!found.ok())
          return absl::InvalidArgumentError(absl::StrCat(line, ": ", found.status().message()));
        wanted.push_back(*found);
      }
      columns = record.size();
      return absl::OkStatus();
    }
    if (record.size() != columns)
      return absl::InvalidArgumentError(
          absl::StrCat(line, ": has ", record.size(), " fields, expected ", columns, " as in the head"));
    values.clear();
    for (size_t column : wanted)
      values.push_back(record[column]);
    return taken = take(line, values);
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
  if (status.ok() && columns == 0)
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": is empty, expected a head with a column ", io::quote(fields.front())));
  return status;
}

absl::Status forEachTableText(const std::string &path, char separator, absl::string_view field, Take take) {
  const std::string fields[] = {std::string(field)};
  return forEachRow(path, separator, fields,
                    [&](int64_t, absl::Span<const std::string> values) { return takeText(values[0], take); });
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

absl::Status forEachRecord(
    const std::string &path, absl::Span<const std::string> fields,
    absl::FunctionRef<absl::Status(absl::string_view, absl::Span<const std::vector<std::string>>)> take) {
  const absl::string_view name = withoutCompression(path);
  std::vector<std::vector<std::string>> values(fields.size());
  if (absl::EndsWith(name, ".csv") || absl::EndsWith(name, ".tsv"))
    return forEachRow(path, absl::EndsWith(name, ".tsv") ? '\t' : ',', fields,
                      [&](int64_t line, absl::Span<const std::string> row) {
                        for (size_t i = 0; i < fields.size(); ++i)
                          values[i] = {row[i]};
                        return take(absl::StrCat(path, ":", line), values);
                      });
  if (!absl::EndsWith(name, ".jsonl") && !absl::EndsWith(name, ".json"))
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": is plain text, expected a .jsonl file or a .csv or .tsv table, which has the field ",
        io::quote(fields.back())));
  return forEachObject(path, fields.front(), [&](int64_t line, const nlohmann::json &object) {
    for (size_t i = 0; i < fields.size(); ++i) {
      const auto value = object.find(fields[i]);
      std::optional<std::vector<std::string>> list = value == object.end() ? std::nullopt : listOf(*value);
      if (!list)
        return wrongField(path, line, fields[i], object, "a text, a number or a list of these");
      values[i] = *std::move(list);
    }
    return take(absl::StrCat(path, ":", line), values);
  });
}

absl::Status forEachDocument(const std::string &path, absl::string_view field, Take take) {
  const absl::string_view name = withoutCompression(path);
  if (absl::EndsWith(name, ".jsonl") || absl::EndsWith(name, ".json"))
    return forEachJsonText(path, field, take);
  if (absl::EndsWith(name, ".csv") || absl::EndsWith(name, ".tsv"))
    return forEachTableText(path, absl::EndsWith(name, ".tsv") ? '\t' : ',', field, take);
  return forEachPlainText(path, take);
}

} // namespace llmc::documents
