#include "frontend/gguf/Parts.h"

#include <filesystem>
#include <fstream>
#include <functional>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_format.h"

#include "test/unit/gguf/GgufWriter.h"

namespace llmc::gguf {
namespace {

using testing::Bytes;
using testing::GgufWriter;

class GgufPartsTest : public ::testing::Test {
protected:
  GgufPartsTest()
      : folder(std::filesystem::temp_directory_path() / absl::StrFormat("llmc-parts-%d", getpid())) {
    std::filesystem::create_directory(folder);
  }
  ~GgufPartsTest() override { std::filesystem::remove_all(folder); }

  std::string nameOf(int part) const {
    return absl::StrFormat("%s/m-%05d-of-00003.gguf", folder.c_str(), part);
  }

  /// Part `part` (from 1) of three: a vector of one element, which is the part's number.
  void write(int part, const std::function<void(GgufWriter &)> &change = [](GgufWriter &) {}) const {
    GgufWriter writer;
    if (part == 1)
      writer.stringEntry("general.architecture", "llama");
    writer.entry("split.no", 2, Bytes().number<uint16_t>(part - 1).content);
    writer.entry("split.count", 2, Bytes().number<uint16_t>(3).content);
    writer.entry("split.tensors.count", 5, Bytes().number<int32_t>(3).content);
    writer.tensors = {{absl::StrFormat("t%d", part), {1}, 0, 0}};
    writer.data = Bytes().number(static_cast<float>(part)).alignTo(32).content;
    change(writer);
    std::ofstream(nameOf(part), std::ios::binary) << writer.file();
  }
  void writeAll() const {
    for (int part : {1, 2, 3})
      write(part);
  }
  /// The error of opening the first part, without the folder.
  std::string error(int part = 1) const {
    std::string message(openParts(nameOf(part)).status().message());
    for (size_t at; (at = message.find(folder.string() + "/")) != std::string::npos;)
      message.erase(at, folder.string().size() + 1);
    return message;
  }

  std::filesystem::path folder;
};

TEST_F(GgufPartsTest, TheFirstFindsTheOthers) {
  writeAll();
  absl::StatusOr<std::vector<Reader>> parts = openParts(nameOf(1));
  ASSERT_TRUE(parts.ok()) << parts.status();
  ASSERT_EQ(parts->size(), 3u);
  for (int part : {1, 2, 3}) {
    const Reader &reader = (*parts)[part - 1];
    EXPECT_EQ(reader.path(), nameOf(part));
    ASSERT_EQ(reader.tensors().size(), 1u);
    float value;
    std::memcpy(&value, reader.tensors()[0].bytes.data(), sizeof(value));
    EXPECT_EQ(value, part);
  }
}

TEST_F(GgufPartsTest, AWholeFileIsOnePart) {
  GgufWriter writer;
  writer.u32Entry("split.count", 1);
  std::ofstream(folder / "whole.gguf", std::ios::binary) << writer.file();
  absl::StatusOr<std::vector<Reader>> parts = openParts((folder / "whole.gguf").string());
  ASSERT_TRUE(parts.ok()) << parts.status();
  EXPECT_EQ(parts->size(), 1u);
}

TEST_F(GgufPartsTest, AMissingPart) {
  writeAll();
  std::filesystem::remove(nameOf(2));
  EXPECT_THAT(error(),
              ::testing::StartsWith("part 2 of 3 of m-00001-of-00003.gguf: m-00002-of-00003.gguf: "));
  EXPECT_THAT(error(), ::testing::HasSubstr("No such file"));
}

TEST_F(GgufPartsTest, AnotherPartThanTheFirst) {
  writeAll();
  EXPECT_EQ(error(2), "m-00002-of-00003.gguf: is part 2 of 3, expected the first: m-00001-of-00003.gguf");
}

TEST_F(GgufPartsTest, ARenamedFile) {
  writeAll();
  std::filesystem::rename(nameOf(1), folder / "model.gguf");
  EXPECT_EQ(std::string(openParts((folder / "model.gguf").string()).status().message()),
            (folder / "model.gguf").string() +
                ": is part 1 of 3 by its metadata, expected a name that ends with "
                "'-00001-of-00003.gguf'");
}

TEST_F(GgufPartsTest, PartsOfAnotherSplit) {
  writeAll();
  write(2,
        [](GgufWriter &w) { w.entries[0] = Bytes().string("split.no").u32(2).number<uint16_t>(2).content; });
  EXPECT_EQ(error(), "m-00002-of-00003.gguf: metadata 'split.no' is 2, expected 1 in part 2 of 3");
  write(2, [](GgufWriter &w) {
    w.entries[1] = Bytes().string("split.count").u32(2).number<uint16_t>(4).content;
  });
  EXPECT_EQ(error(), "m-00002-of-00003.gguf: metadata 'split.count' is 4, expected 3 in part 2 of 3");
  write(2, [](GgufWriter &w) { w.entries.clear(); });
  EXPECT_EQ(error(), "m-00002-of-00003.gguf: metadata 'split.no' is missing, expected an integer");
}

TEST_F(GgufPartsTest, TensorsThatDoNotAddUp) {
  writeAll();
  write(3, [](GgufWriter &w) { w.tensors[0].name = "t1"; });
  EXPECT_EQ(error(), "m-00003-of-00003.gguf: tensor 't1' is in m-00001-of-00003.gguf too");
  write(3, [](GgufWriter &w) { w.tensors.clear(); });
  EXPECT_EQ(error(),
            "m-00001-of-00003.gguf: metadata 'split.tensors.count' is 3, but the 3 parts have 2 tensors");
}

TEST_F(GgufPartsTest, ImpossibleCounts) {
  write(1, [](GgufWriter &w) { w.entries[2] = Bytes().string("split.count").u32(4).u32(70000).content; });
  EXPECT_EQ(error(), "m-00001-of-00003.gguf: is part 1 of 70000, expected one of 2 to 65535 parts");
}

} // namespace
} // namespace llmc::gguf
