#ifndef LLMC_TEST_UNIT_HF_DIRECTORYTEST_H
#define LLMC_TEST_UNIT_HF_DIRECTORYTEST_H

#include <filesystem>
#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "frontend/hf/Directory.h"

namespace llmc::hf::testing {

/// A directory of its own for each test, with a config.json to begin with.
class DirectoryTest : public ::testing::Test {
protected:
  std::string path;

  void SetUp() override {
    path = ::testing::TempDir() + "hf_directory_XXXXXX";
    ASSERT_NE(::mkdtemp(path.data()), nullptr);
    write("config.json", R"({"architectures": ["LlamaForCausalLM"], "max_position_embeddings": 512})");
  }
  void TearDown() override { std::filesystem::remove_all(path); }

  void write(const std::string &name, const std::string &content) {
    std::filesystem::create_directories(std::filesystem::path(path + "/" + name).parent_path());
    std::ofstream(path + "/" + name) << content;
  }
  Directory open() {
    absl::StatusOr<Directory> directory = Directory::open(path);
    EXPECT_TRUE(directory.ok()) << directory.status();
    return *std::move(directory);
  }
  /// The message of an error without the directory that it begins with.
  template <typename T> std::string errorOf(const absl::StatusOr<T> &result) {
    if (result.ok())
      return "no error";
    std::string message(result.status().message());
    EXPECT_THAT(message, ::testing::StartsWith(path + "/"));
    return message.substr(path.size() + 1);
  }
};

} // namespace llmc::hf::testing

#endif // LLMC_TEST_UNIT_HF_DIRECTORYTEST_H
