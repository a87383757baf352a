//===- TestFiles.h - the data of the tests of text -------------------------===//

#ifndef LLMC_TEST_UNIT_TEXT_TEST_FILES_H
#define LLMC_TEST_UNIT_TEXT_TEST_FILES_H

#include <fstream>
#include <iterator>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace llmc::text {

/// The content of a file in test/data/text.
inline std::string readTestFile(const std::string &name) {
  std::ifstream file(std::string(LLMC_SOURCE_DIR) + "/test/data/text/" + name, std::ios::binary);
  EXPECT_TRUE(file.good()) << name;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

inline nlohmann::ordered_json readTestJson(const std::string &name) {
  return nlohmann::ordered_json::parse(readTestFile(name));
}

} // namespace llmc::text

#endif
