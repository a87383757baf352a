#include "frontend/documents/CsvParser.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include <algorithm>
#include <utility>

namespace llmc::documents {

namespace {

constexpr absl::string_view kByteOrderMark = "\xEF\xBB\xBF";

} // namespace

absl::Status CsvParser::take(absl::string_view bytes) {
  if (begun)
    return parse(bytes);
  absl::StrAppend(&front, bytes);
  if (front.size() < kByteOrderMark.size() && absl::StartsWith(kByteOrderMark, front))
    return absl::OkStatus();
  begun = true;
  return parse(absl::StripPrefix(front, kByteOrderMark));
}

absl::Status CsvParser::finish() {
  if (!begun)
    if (absl::Status status = parse(front); !status.ok())
      return status;
  begun = true;
  if (state == State::Quoted)
    return wrong(quoteLine, "has a quote that is not closed");
  if (state == State::CarriageReturn)
    return wrong(line, "ends with a carriage return, expected a line feed behind it");
  if (state == State::FieldStart)
    beginField();
  return endRecord();
}

absl::Status CsvParser::parse(absl::string_view bytes) {
  while (!bytes.empty()) {
    // The inside of fields is taken at once.
    const char ends[] = {separator, '"', '\r', '\n'};
    const size_t inside = state == State::Quoted     ? bytes.find('"')
                          : state == State::Unquoted ? bytes.find_first_of(absl::string_view(ends, 4))
                                                     : 0;
    const absl::string_view text = bytes.substr(0, inside);
    if (!text.empty()) {
      absl::StrAppend(&fields[complete], text);
      line += std::count(text.begin(), text.end(), '\n');
      bytes.remove_prefix(text.size());
      continue;
    }
    if (absl::Status status = takeOne(bytes.front()); !status.ok())
      return status;
    bytes.remove_prefix(1);
  }
  return absl::OkStatus();
}

absl::Status CsvParser::takeOne(char byte) {
  if (state == State::FieldStart)
    beginField();
  if (state == State::CarriageReturn && byte != '\n')
    return wrong(line, "has a carriage return outside of quotes, expected a line feed behind it");
  if (byte == '"') {
    if (state == State::Unquoted)
      return wrong(line, "has a quote inside of a field, expected the whole field in quotes");
    if (state == State::FieldStart) {
      hasQuotes = true;
      quoteLine = line;
    } else if (state == State::QuoteInQuoted) {
      fields[complete] += '"';
    }
    state = state == State::Quoted ? State::QuoteInQuoted : State::Quoted;
  } else if (byte == separator) {
    endField();
  } else if (byte == '\r') {
    state = State::CarriageReturn;
  } else if (byte == '\n') {
    absl::Status status = endRecord();
    recordLine = ++line;
    return status;
  } else if (state == State::QuoteInQuoted) {
    return wrong(line, "has text behind a closing quote, expected a separator or the end of the line");
  } else {
    fields[complete] += byte;
    state = State::Unquoted;
  }
  return absl::OkStatus();
}

void CsvParser::beginField() {
  if (fields.size() == complete)
    fields.emplace_back();
  fields[complete].clear();
}

void CsvParser::endField() {
  ++complete;
  state = State::FieldStart;
}

absl::Status CsvParser::endRecord() {
  endField();
  const absl::Span<const std::string> record(fields.data(), std::exchange(complete, 0));
  const bool hadQuotes = std::exchange(hasQuotes, false);
  if (record.size() == 1 && record[0].empty() && !hadQuotes)
    return absl::OkStatus();
  return onRecord(recordLine, record);
}

absl::Status CsvParser::wrong(int64_t where, absl::string_view what) const {
  return absl::InvalidArgumentError(absl::StrCat(where, ": ", what));
}

} // namespace llmc::documents
