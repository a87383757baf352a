#include "train/EventFile.h"

#include "gtest/gtest.h"

namespace llmc::train {

TEST(EventFile, HasTheChecksumOfRfc3720) {
  EXPECT_EQ(crc32c(""), 0U);
  EXPECT_EQ(crc32c("123456789"), 0xE3069283U);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAU);
}

TEST(EventFile, NamesTheFolderThatIsMissing) {
  EventFile file;
  EXPECT_NE(file.open("/no/such/folder", 0).message().find("/no/such/folder/events.out.tfevents."),
            absl::string_view::npos);
}

} // namespace llmc::train
