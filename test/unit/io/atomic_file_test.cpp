#include "runtime/io/AtomicFile.h"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace llmc::io {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

using Mode = AtomicFile::Mode;
using Staging = AtomicFile::Staging;

class AtomicFileTest : public ::testing::TestWithParam<Staging> {
protected:
  std::filesystem::path directory;
  std::string target;

  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "atomic_file_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory = pattern;
    target = directory / "out";
    std::ofstream(target) << "old";
  }
  void TearDown() override { std::filesystem::remove_all(directory); }

  absl::StatusOr<AtomicFile> create(const std::string &path, Mode mode = Mode::Data) {
    return AtomicFile::create(path, mode, GetParam());
  }
  static std::string contentOf(const std::string &path) {
    std::ostringstream content;
    content << std::ifstream(path, std::ios::binary).rdbuf();
    return content.str();
  }
  std::vector<std::string> files() {
    std::vector<std::string> names;
    for (const auto &entry : std::filesystem::directory_iterator(directory))
      names.push_back(entry.path().filename());
    return names;
  }
};

TEST_P(AtomicFileTest, ReplacesTheOldFileAtCommit) {
  auto file = create(target);
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_TRUE(file->append("header").ok());
  ASSERT_TRUE(file->alignTo(16).ok());
  EXPECT_EQ(file->offset(), 16u);
  ASSERT_TRUE(file->alignTo(16).ok());
  ASSERT_TRUE(file->append("tail").ok());
  const uint8_t patch[] = {'H', 'E'};
  ASSERT_TRUE(file->writeAt(0, patch).ok());
  EXPECT_EQ(file->offset(), 20u);
  EXPECT_EQ(contentOf(target), "old");
  ASSERT_TRUE(file->commit().ok());
  EXPECT_EQ(contentOf(target), std::string("HEader") + std::string(10, '\0') + "tail");
  EXPECT_THAT(files(), ElementsAre("out"));
  EXPECT_THAT(std::string(file->append("more").message()), HasSubstr("after it was finished"));
  EXPECT_THAT(std::string(file->commit().message()), HasSubstr("after it was finished"));
}

TEST_P(AtomicFileTest, PadsAcrossManyPages) {
  auto file = create(target);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE(file->append("x").ok());
  ASSERT_TRUE(file->alignTo(10007).ok());
  ASSERT_TRUE(file->commit().ok());
  EXPECT_EQ(contentOf(target), "x" + std::string(10006, '\0'));
}

TEST_P(AtomicFileTest, WithoutCommitTheOldFileStays) {
  {
    auto file = create(target);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE(file->append("new").ok());
  }
  EXPECT_EQ(contentOf(target), "old");
  EXPECT_THAT(files(), ElementsAre("out"));
  auto file = create(target);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE(file->append("new").ok());
  file->discard();
  EXPECT_EQ(contentOf(target), "old");
  EXPECT_THAT(files(), ElementsAre("out"));
}

TEST_P(AtomicFileTest, AFullDiskLeavesTheOldFile) {
  // A limit on the size of files stands in for the full disk: pwrite() writes a part, then fails.
  auto oldHandler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit oldLimit;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &oldLimit), 0);
  auto file = create(target);
  ASSERT_TRUE(file.ok());
  rlimit limit = oldLimit;
  limit.rlim_cur = 5000;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  absl::Status first = file->append(std::string(4000, 'a'));
  absl::Status second = file->append(std::string(4000, 'b'));
  absl::Status third = file->append("c");
  absl::Status commit = file->commit();
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &oldLimit), 0);
  std::signal(SIGXFSZ, oldHandler);
  EXPECT_TRUE(first.ok());
  EXPECT_THAT(std::string(second.message()), StartsWith(target + ": cannot write at byte 5000: "));
  EXPECT_EQ(third, second);
  EXPECT_EQ(commit, second);
  EXPECT_EQ(contentOf(target), "old");
  EXPECT_THAT(files(), ElementsAre("out"));
}

TEST_P(AtomicFileTest, FollowsASymbolicLink) {
  std::filesystem::create_directory(directory / "sub");
  std::filesystem::create_symlink("../out", directory / "sub" / "link");
  std::string link = directory / "sub" / "link";
  auto file = create(link);
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_TRUE(file->append("new").ok());
  ASSERT_TRUE(file->commit().ok());
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  EXPECT_EQ(contentOf(target), "new");
  std::filesystem::create_symlink("loop", directory / "loop");
  EXPECT_THAT(std::string(create(directory / "loop").status().message()), HasSubstr("symbolic link"));
}

TEST_P(AtomicFileTest, GivesThePermissionsThatTheUmaskAllows) {
  mode_t oldMask = ::umask(027);
  for (auto [mode, expected] : {std::pair(Mode::Data, 0640u), std::pair(Mode::Executable, 0750u)}) {
    auto file = create(target, mode);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE(file->commit().ok());
    struct stat info;
    ASSERT_EQ(::stat(target.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, expected);
  }
  ::umask(oldMask);
}

TEST_P(AtomicFileTest, CopiesARangeOfAFile) {
  std::string source = directory / "source";
  std::string content;
  for (int i = 0; i < 3000000; ++i)
    content += static_cast<char>(i * 7 + i / 256);
  std::ofstream(source, std::ios::binary) << content;
  auto file = create(target);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE(file->appendFile(source, 5, 2500000).ok());
  ASSERT_TRUE(file->commit().ok());
  EXPECT_EQ(contentOf(target), content.substr(5, 2500000));
  auto shorter = create(target);
  ASSERT_TRUE(shorter.ok());
  EXPECT_EQ(shorter->appendFile(source, 2999990, 11).message(),
            target + ": cannot copy from " + source +
                ": the file ends at byte 3000000, expected 1 more bytes");
  EXPECT_FALSE(shorter->commit().ok());
  EXPECT_THAT(files(), UnorderedElementsAre("out", "source"));
}

TEST_P(AtomicFileTest, RefusesWhatItCannotReplace) {
  auto errorOf = [&](const std::string &path) { return std::string(create(path).status().message()); };
  EXPECT_EQ(errorOf(directory), directory.string() + ": is a directory, expected a file to write");
  EXPECT_EQ(errorOf("/dev/null"), "/dev/null: is a device, pipe or socket, expected a file to write");
  std::string lost = directory / "missing" / "out";
  EXPECT_THAT(errorOf(lost), StartsWith(lost + ": cannot create: "));
  auto file = create(target);
  ASSERT_TRUE(file.ok());
  const uint8_t byte[] = {1};
  EXPECT_THAT(std::string(file->writeAt(0, byte).message()), HasSubstr("only 0 bytes were appended"));
}

TEST_P(AtomicFileTest, MovesKeepOneOwner) {
  auto first = create(target);
  ASSERT_TRUE(first.ok());
  ASSERT_TRUE(first->append("moved").ok());
  AtomicFile second = *std::move(first);
  ASSERT_TRUE(second.append("!").ok());
  ASSERT_TRUE(second.commit().ok());
  EXPECT_EQ(contentOf(target), "moved!");
}

INSTANTIATE_TEST_SUITE_P(BothStagings, AtomicFileTest, ::testing::Values(Staging::Unnamed, Staging::Named),
                         [](const auto &info) {
                           return info.param == Staging::Unnamed ? "Unnamed" : "Named";
                         });

TEST(AtomicFileKilledTest, AKilledWriterLeavesNothing) {
  std::string pattern = ::testing::TempDir() + "atomic_file_XXXXXX";
  ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
  std::filesystem::path directory = pattern;
  pid_t child = ::fork();
  if (child == 0) {
    auto file = AtomicFile::create((directory / "out").string());
    if (file.ok() && file->append("half of it").ok())
      ::raise(SIGKILL);
    ::_exit(1);
  }
  int state = 0;
  ASSERT_EQ(::waitpid(child, &state, 0), child);
  ASSERT_TRUE(WIFSIGNALED(state));
  EXPECT_TRUE(std::filesystem::is_empty(directory));
  std::filesystem::remove_all(directory);
}

} // namespace
} // namespace llmc::io
