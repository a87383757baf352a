#include "frontend/documents/Documents.h"

#include "frontend/documents/ByteSource.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

namespace llmc::documents {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string gzip(const std::string &text) {
  z_stream stream = {};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string compressed(deflateBound(&stream, text.size()), 0);
  stream.next_in = reinterpret_cast<Bytef *>(const_cast<char *>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef *>(compressed.data());
  stream.avail_out = static_cast<uInt>(compressed.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  compressed.resize(stream.total_out);
  deflateEnd(&stream);
  return compressed;
}

std::string zstd(const std::string &text) {
  std::string compressed(ZSTD_compressBound(text.size()), 0);
  ZSTD_CCtx *context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
  compressed.resize(ZSTD_compress2(context, compressed.data(), compressed.size(), text.data(), text.size()));
  ZSTD_freeCCtx(context);
  return compressed;
}

/// Text of `lines` lines that does not compress to nothing.
std::string longText(int lines) {
  std::string text;
  uint32_t state = 1;
  for (int i = 0; i < lines; ++i)
    absl::StrAppend(&text, "line ", i, " ", state = state * 1664525 + 1013904223, "\n");
  return text;
}

class DocumentsTest : public testing::Test {
protected:
  DocumentsTest() : folder(testing::TempDir() + "/llmc-documents-" + std::to_string(getpid())) {
    std::filesystem::create_directories(folder);
  }
  ~DocumentsTest() override { std::filesystem::remove_all(folder); }

  std::string write(const std::string &name, const std::string &contents) {
    std::ofstream(folder + "/" + name, std::ios::binary) << contents;
    return folder + "/" + name;
  }

  /// The documents of a file, or the message of an error, from behind the folder.
  std::vector<std::string> read(const std::string &name, absl::string_view field = "text") {
    std::vector<std::string> documents;
    absl::Status status = forEachDocument(folder + "/" + name, field, [&](absl::string_view text) {
      documents.emplace_back(text);
      return absl::OkStatus();
    });
    if (!status.ok()) {
      EXPECT_TRUE(absl::StartsWith(status.message(), folder + "/")) << status;
      documents.push_back("error " + std::string(status.message().substr(folder.size() + 1)));
    }
    return documents;
  }
  std::vector<std::string> documents(const std::string &name, const std::string &contents,
                                     absl::string_view field = "text") {
    write(name, contents);
    return read(name, field);
  }
  std::string error(const std::string &name, const std::string &contents, absl::string_view field = "text") {
    return documents(name, contents, field).back();
  }

  /// The values of the fields "text" and "label" of each record, or the message of an error.
  std::vector<std::string> records(const std::string &name, const std::string &contents) {
    write(name, contents);
    const std::string fields[] = {"text", "label"};
    std::vector<std::string> found;
    absl::Status status = forEachRecord(
        folder + "/" + name, fields,
        [&](absl::string_view where, absl::Span<const std::vector<std::string>> values) {
          found.push_back(absl::StrCat(where.substr(folder.size() + 1), " ", absl::StrJoin(values[0], "|"),
                                       " = ", absl::StrJoin(values[1], "|")));
          return absl::OkStatus();
        });
    if (!status.ok())
      found.push_back("error " + std::string(status.message().substr(folder.size() + 1)));
    return found;
  }

  const std::string folder;
};

TEST_F(DocumentsTest, ReadsEachKind) {
  EXPECT_THAT(documents("a.txt", "\none\n\nstill one\n\n\n\n\ntwo"), ElementsAre("one\n\nstill one", "two"));
  EXPECT_THAT(documents("a.txt", "\n\n\n\n"), ElementsAre());
  EXPECT_THAT(
      documents("a.jsonl", "{\"text\": \"one\\n\"}\r\n\r\n{\"text\": \"\"}\n{\"x\": 1, \"text\": \"two\"}"),
      ElementsAre("one\n", "two"));
  EXPECT_THAT(documents("a.csv", "id,body\n1,\"one,\n1\"\n2,\n3,two\n", "body"),
              ElementsAre("one,\n1", "two"));
  EXPECT_THAT(documents("a.tsv", "id\tbody\n1\tone, 1\n", "body"), ElementsAre("one, 1"));
}

TEST_F(DocumentsTest, ReadsRecords) {
  EXPECT_THAT(records("a.tsv", "label\tx\ttext\n1\t2\tone\n3\t4\ttwo\n"),
              ElementsAre("a.tsv:2 one = 1", "a.tsv:3 two = 3"));
  EXPECT_THAT(records("a.jsonl", "{\"text\": [\"a\", \"b\"], \"label\": [1, 2.5]}\n\n{\"text\": \"c\", "
                                 "\"label\": true}"),
              ElementsAre("a.jsonl:1 a|b = 1|2.5", "a.jsonl:3 c = true"));
  EXPECT_THAT(
      records("a.jsonl", "{\"text\": \"a\"}"),
      ElementsAre("error a.jsonl:1: field 'label': expected a text, a number or a list of these, found "
                  "nothing"));
  EXPECT_THAT(records("a.csv", "text,labels\na,b\n"),
              ElementsAre("error a.csv:1: has no column 'label', found 'text, labels'"));
  EXPECT_THAT(
      records("a.txt", "text"),
      ElementsAre("error a.txt: is plain text, expected a .jsonl file or a .csv or .tsv table, which has "
                  "the field 'label'"));
}

TEST_F(DocumentsTest, ReadsCompressedFiles) {
  const std::string text = longText(50000); // several buffers
  const std::string expected = text.substr(0, text.size() - 1);
  EXPECT_THAT(documents("a.txt.gz", gzip(text)), ElementsAre(expected));
  EXPECT_THAT(documents("a.txt.zst", zstd(text)), ElementsAre(expected));
  // Files one behind the other are a file.
  EXPECT_THAT(documents("b.txt.gz", gzip("one ") + gzip(text)), ElementsAre("one " + expected));
  EXPECT_THAT(documents("b.txt.zst", zstd("one ") + zstd("") + zstd(text)), ElementsAre("one " + expected));
  // Much from little.
  const std::string same(5'000'000, 'a');
  EXPECT_THAT(documents("c.gz", gzip(same)), ElementsAre(same));
  EXPECT_THAT(documents("c.zst", zstd(same)), ElementsAre(same));
  EXPECT_THAT(documents("d.jsonl.zst", zstd("{\"text\": \"one\"}\n")), ElementsAre("one"));
  EXPECT_THAT(documents("d.csv.gz", gzip("text\none\n")), ElementsAre("one"));
  EXPECT_THAT(documents("e.txt.gz", gzip("")), ElementsAre());
  EXPECT_THAT(documents("e.txt.zst", zstd("")), ElementsAre());
}

TEST_F(DocumentsTest, EveryCutOfCompressedFilesIsFound) {
  const std::string text = longText(12);
  for (auto [name, whole] : {std::pair("a.gz", gzip(text)), std::pair("a.zst", zstd(text))})
    for (size_t size = 0; size < whole.size(); ++size)
      ASSERT_THAT(error(name, whole.substr(0, size)), HasSubstr(size < 2 ? "error a." : "is cut short"))
          << name << " of " << size << " bytes";
}

TEST_F(DocumentsTest, DamageOfCompressedFilesIsFound) {
  const std::string text = longText(1000);
  for (auto [name, whole] : {std::pair("a.gz", gzip(text)), std::pair("a.zst", zstd(text))})
    for (size_t place : {whole.size() / 2, whole.size() - 2}) { // the data, their checksum
      std::string damaged = whole;
      damaged[place] ^= 0x55;
      EXPECT_THAT(error(name, damaged), HasSubstr("is damaged, expected ")) << name << " at " << place;
    }
  EXPECT_EQ(error("a.gz", "no gzip"), "error a.gz: is not compressed by gzip, as its name says");
  EXPECT_EQ(error("a.gz", ""), "error a.gz: is not compressed by gzip, as its name says");
  EXPECT_EQ(error("a.zst", "no zstd"), "error a.zst: is damaged, expected zstd: Unknown frame descriptor");
}

TEST_F(DocumentsTest, NamesPlaceAndFieldOfErrors) {
  EXPECT_EQ(error("a.jsonl", "{\"text\": \"one\"}\n{\"x\": 1}\n"),
            "error a.jsonl:2: field 'text': expected a text, found nothing");
  EXPECT_EQ(error("a.jsonl", "\n{\"text\": 7}\n"),
            "error a.jsonl:2: field 'text': expected a text, found number 7");
  EXPECT_EQ(error("a.json", "[\n{\"text\": 7}]\n"),
            "error a.json:1: is no object of JSON, expected one with a text in the field 'text'");
  EXPECT_EQ(error("a.csv", "id,body\n"), "error a.csv:1: has no column 'text', found 'id, body'");
  EXPECT_EQ(error("a.csv", "text,text\n"), "error a.csv:1: has 2 columns 'text', expected one");
  EXPECT_EQ(error("a.csv", "id,text\n1,\"\n\"\n2,a,b\n"),
            "error a.csv:4: has 3 fields, expected 2 as in the head");
  EXPECT_EQ(error("a.csv", "text\na\"b\n"),
            "error a.csv:2: has a quote inside of a field, expected the whole field in quotes");
  EXPECT_EQ(error("a.csv", ""), "error a.csv: is empty, expected a head with a column 'text'");
  EXPECT_THAT(read("missing.txt"), ElementsAre("error missing.txt: cannot open: No such file or directory"));
  std::filesystem::create_directories(folder + "/folder.gz");
  EXPECT_THAT(read("folder.gz"), ElementsAre("error folder.gz: is a folder, expected a file"));
}

TEST_F(DocumentsTest, EndsWithTheFirstErrorOfTheTaker) {
  for (auto [name, contents] :
       {std::pair("a.txt", "one\n\n\ntwo"), std::pair("a.jsonl", "{\"text\": \"one\"}\n{"),
        std::pair("a.csv", "text\none\n\"")}) {
    absl::Status status = forEachDocument(write(name, contents), "text",
                                          [](absl::string_view) { return absl::UnavailableError("full"); });
    EXPECT_EQ(status, absl::UnavailableError("full")) << name;
  }
}

} // namespace
} // namespace llmc::documents
