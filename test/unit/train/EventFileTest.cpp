#include "train/EventFile.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <filesystem>
#include <fstream>
#include <iterator>

namespace llmc::train {

TEST(EventFile, HasTheChecksumOfRfc3720) {
  EXPECT_EQ(crc32c(""), 0U);
  EXPECT_EQ(crc32c("123456789"), 0xE3069283U);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAU);
}

TEST(EventFile, WritesZeros) {
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / "events-of-zeros";
  std::filesystem::create_directories(folder);
  removeEventFiles(folder.string());
  EventFile file;
  ASSERT_TRUE(file.open(folder.string(), 0).ok());
  ASSERT_TRUE(file.write(1, {{"rate", 0.0}}).ok());
  std::ifstream written(std::filesystem::directory_iterator(folder)->path(), std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(written), {});
  // The tag, then field 2 as a float of four bytes.
  EXPECT_THAT(bytes, testing::HasSubstr(std::string("rate\x15\0\0\0\0", 9)));
  removeEventFiles(folder.string());
  EXPECT_TRUE(std::filesystem::is_empty(folder));
}

TEST(EventFile, NamesTheFolderThatIsMissing) {
  EventFile file;
  EXPECT_NE(file.open("/no/such/folder", 0).message().find("/no/such/folder/events.out.tfevents."),
            absl::string_view::npos);
}

} // namespace llmc::train
