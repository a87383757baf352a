#include "frontend/documents/CsvParser.h"

#include "absl/strings/str_cat.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace llmc::documents {
namespace {

using testing::ElementsAre;

using Record = std::vector<std::string>;

/// The records of `text`, taken in pieces of `size` bytes, or the message of an error.
std::vector<Record> parse(absl::string_view text, size_t size = 1000, char separator = ',') {
  std::vector<Record> records;
  CsvParser parser(separator, [&](int64_t, absl::Span<const std::string> fields) {
    records.emplace_back(fields.begin(), fields.end());
    return absl::OkStatus();
  });
  absl::Status status;
  for (; status.ok() && !text.empty(); text.remove_prefix(std::min(size, text.size())))
    status = parser.take(text.substr(0, size));
  if (status.ok())
    status = parser.finish();
  if (!status.ok())
    records.push_back({absl::StrCat("error ", status.message())});
  return records;
}

TEST(CsvParser, ReadsRecords) {
  const std::string text =
      "\xEF\xBB\xBF\"id\",text\r\n1,plain \r\n\r\n2,\"a \"\"quote\"\", a comma\nand a line\"\n,\n3,\"\"";
  for (size_t size : {1, 2, 3, 7, 1000})
    EXPECT_THAT(parse(text, size), ElementsAre(Record{"id", "text"}, Record{"1", "plain "},
                                               Record{"2", "a \"quote\", a comma\nand a line"},
                                               Record{"", ""}, Record{"3", ""}));
}

TEST(CsvParser, ReadsTabs) {
  EXPECT_THAT(parse("a\tb\n1, 2\t\"x\ty\"\n", 1000, '\t'),
              ElementsAre(Record{"a", "b"}, Record{"1, 2", "x\ty"}));
}

TEST(CsvParser, EmptyLinesAreNoRecords) {
  EXPECT_THAT(parse("\n\r\na\n\n\"\"\n\n"), ElementsAre(Record{"a"}, Record{""}));
  EXPECT_THAT(parse(""), ElementsAre());
  EXPECT_THAT(parse("\xEF\xBB\xBF"), ElementsAre());
  EXPECT_THAT(parse("\xEF\xBB"), ElementsAre(Record{"\xEF\xBB"}));
}

TEST(CsvParser, TellsTheLineOfErrors) {
  auto error = [](absl::string_view text) { return parse(text).back().back(); };
  EXPECT_EQ(error("a\n\"b\nc\n"), "error 2: has a quote that is not closed");
  EXPECT_EQ(error("\"a\nb\"\nc\"d\n"),
            "error 3: has a quote inside of a field, expected the whole field in quotes");
  EXPECT_EQ(error("\"a\"b\n"),
            "error 1: has text behind a closing quote, expected a separator or the end of the line");
  EXPECT_EQ(error("a\rb\n"),
            "error 1: has a carriage return outside of quotes, expected a line feed behind it");
  EXPECT_EQ(error("a\r"), "error 1: ends with a carriage return, expected a line feed behind it");
}

} // namespace
} // namespace llmc::documents
