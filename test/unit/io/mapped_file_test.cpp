#include "runtime/io/MappedFile.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace llmc::io {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class MappedFileTest : public ::testing::Test {
protected:
  std::filesystem::path directory;

  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "mapped_file_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory); }

  std::string write(const std::string &name, const std::string &content) {
    std::string path = directory / name;
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }
  static std::string errorOf(const std::string &path) {
    absl::StatusOr<MappedFile> file = MappedFile::open(path);
    return file.ok() ? "no error" : std::string(file.status().message());
  }
};

TEST_F(MappedFileTest, ShowsTheContent) {
  std::string content(10000, 'x');
  content[9999] = '\0';
  auto file = MappedFile::open(write("a", content));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->size(), 10000u);
  EXPECT_EQ(std::string(file->bytes().begin(), file->bytes().end()), content);
  EXPECT_EQ(file->path(), directory / "a");
}

TEST_F(MappedFileTest, SpansSurviveAMove) {
  auto file = MappedFile::open(write("a", "hello"));
  ASSERT_TRUE(file.ok());
  absl::Span<const uint8_t> bytes = file->bytes();
  MappedFile moved = *std::move(file);
  EXPECT_EQ(bytes[4], 'o');
  auto other = MappedFile::open(write("b", "world!"));
  ASSERT_TRUE(other.ok());
  moved = *std::move(other);
  EXPECT_EQ(moved.size(), 6u);
  EXPECT_EQ(moved.bytes()[0], 'w');
}

TEST_F(MappedFileTest, AdviceChangesNothing) {
  std::string content(20000, 'y');
  auto file = MappedFile::open(write("a", content));
  ASSERT_TRUE(file.ok());
  for (Access access :
       {Access::Normal, Access::Sequential, Access::Random, Access::WillNeed, Access::DontNeed}) {
    file->advise(access);
    file->advise(access, 5000, 9000);
    file->advise(access, 19999, SIZE_MAX);
    file->advise(access, 30000, 1);
    EXPECT_EQ(std::string(file->bytes().begin(), file->bytes().end()), content);
  }
}

TEST_F(MappedFileTest, RefusesWhatIsNotAReadableFile) {
  std::string missing = directory / "missing";
  EXPECT_THAT(errorOf(missing), StartsWith(missing + ": cannot open: "));
  EXPECT_THAT(errorOf(missing), HasSubstr("No such file"));
  EXPECT_EQ(errorOf(directory), directory.string() + ": is a directory, expected a file");
  std::string empty = write("empty", "");
  EXPECT_EQ(errorOf(empty), empty + ": is empty (0 bytes)");
  std::string pipe = directory / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(errorOf(pipe), pipe + ": is a device, pipe or socket, expected a file");
  EXPECT_EQ(errorOf("/dev/zero"), "/dev/zero: is a device, pipe or socket, expected a file");
  if (::geteuid() != 0) {
    std::string secret = write("secret", "s");
    ::chmod(secret.c_str(), 0);
    EXPECT_THAT(errorOf(secret), HasSubstr("Permission denied"));
  }
}

} // namespace
} // namespace llmc::io
