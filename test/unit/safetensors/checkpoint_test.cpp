#include "frontend/safetensors/Checkpoint.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/unit/safetensors/SafetensorsWriter.h"

namespace llmc::safetensors {
namespace {

using testing::entryOf;
using testing::fileOf;
using ::testing::HasSubstr;

class CheckpointTest : public ::testing::Test {
protected:
  std::string directory;

  void SetUp() override {
    directory = ::testing::TempDir() + "checkpoint_XXXXXX";
    ASSERT_NE(::mkdtemp(directory.data()), nullptr);
  }
  void TearDown() override { std::filesystem::remove_all(directory); }

  void write(const std::string &name, const std::string &content) {
    std::ofstream(directory + "/" + name, std::ios::binary) << content;
  }
  /// A shard with one U8 tensor for each name, filled with `fill`.
  void writeShard(const std::string &file, const std::vector<std::string> &tensors, char fill) {
    std::string header = "{";
    for (size_t i = 0; i < tensors.size(); ++i)
      header += (i ? "," : "") + entryOf(tensors[i], "U8", "[4]",
                                         "[" + std::to_string(4 * i) + "," + std::to_string(4 * i + 4) + "]");
    write(file, fileOf(header + "}", std::string(4 * tensors.size(), fill)));
  }
  void writeIndex(const std::string &weightMap) {
    write("model.safetensors.index.json",
          "{\"metadata\":{\"total_size\":12},\"weight_map\":" + weightMap + "}");
  }
  std::string error() {
    auto checkpoint = Checkpoint::open(directory);
    if (checkpoint.ok())
      return "no error";
    std::string message(checkpoint.status().message());
    EXPECT_THAT(message, ::testing::StartsWith(directory));
    return message.substr(directory.size());
  }
};

TEST_F(CheckpointTest, ASingleFileByItsNameOrItsDirectory) {
  writeShard("model.safetensors", {"b", "a"}, 'x');
  for (const std::string &path : {directory, directory + "/model.safetensors"}) {
    auto opened = Checkpoint::open(path);
    ASSERT_TRUE(opened.ok()) << opened.status();
    Checkpoint checkpoint = *std::move(opened);
    EXPECT_EQ(checkpoint.path(), path);
    ASSERT_EQ(checkpoint.tensors().size(), 2u);
    EXPECT_EQ(checkpoint.tensors()[0].tensor->name, "a");
    EXPECT_EQ(checkpoint.find("b")->bytes[0], 'x');
    EXPECT_EQ(checkpoint.find("c"), nullptr);
    EXPECT_EQ(checkpoint.locate("a").shard, &checkpoint.shards()[0]);
  }
}

TEST_F(CheckpointTest, ShardsAreOneSetOfTensors) {
  writeShard("model-00001-of-00002.safetensors", {"a", "c"}, '1');
  writeShard("model-00002-of-00002.safetensors", {"b", "extra"}, '2');
  writeIndex(R"({"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors",
                 "c":"model-00001-of-00002.safetensors"})");
  auto opened = Checkpoint::open(directory);
  ASSERT_TRUE(opened.ok()) << opened.status();
  Checkpoint checkpoint = *std::move(opened);
  ASSERT_EQ(checkpoint.shards().size(), 2u);
  ASSERT_EQ(checkpoint.tensors().size(), 4u);
  EXPECT_EQ(checkpoint.find("a")->bytes[0], '1');
  EXPECT_EQ(checkpoint.find("b")->bytes[0], '2');
  EXPECT_EQ(checkpoint.find("c")->bytes[0], '1');
  EXPECT_EQ(checkpoint.find("extra")->bytes[0], '2');
  EXPECT_EQ(checkpoint.locate("b").shard, &checkpoint.shards()[1]);
}

TEST_F(CheckpointTest, MissingPieces) {
  EXPECT_EQ(error(), ": holds neither model.safetensors nor model.safetensors.index.json");
  writeShard("s1.safetensors", {"a"}, '1');
  writeIndex(R"({"a":"s1.safetensors","b":"s2.safetensors"})");
  EXPECT_EQ(error(), "/model.safetensors.index.json: tensor 'b': shard 's2.safetensors' is missing");
  writeIndex(R"({"a":"s1.safetensors","b":"s1.safetensors"})");
  EXPECT_EQ(error(), "/model.safetensors.index.json: tensor 'b' is not in its shard 's1.safetensors'");
}

TEST_F(CheckpointTest, ATensorInTwoShards) {
  writeShard("s1.safetensors", {"a", "b"}, '1');
  writeShard("s2.safetensors", {"b"}, '2');
  writeIndex(R"({"a":"s1.safetensors","b":"s2.safetensors"})");
  EXPECT_EQ(error(), "/s2.safetensors: tensor 'b' is also in " + directory + "/s1.safetensors");
}

TEST_F(CheckpointTest, ShardNamesThatLeaveTheDirectory) {
  writeShard("s1.safetensors", {"a"}, '1');
  for (const char *name : {"../s1.safetensors", "/etc/passwd", "sub/s1.safetensors", "..", "", "s1.bin",
                           "..\\\\s1.safetensors", "s1\\u0000.safetensors"}) {
    writeIndex("{\"a\":\"" + std::string(name) + "\"}");
    EXPECT_THAT(error(),
                HasSubstr("/model.safetensors.index.json: tensor 'a': expected the name of a .safetensors "
                          "file in the same directory, found string '"))
        << name;
  }
  writeIndex(R"({"a":1})");
  EXPECT_THAT(error(), HasSubstr("found number 1"));
}

TEST_F(CheckpointTest, WrongIndexes) {
  write("model.safetensors.index.json", "{");
  EXPECT_EQ(error(), "/model.safetensors.index.json: line 1, column 1: ends in the middle of a value");
  write("model.safetensors.index.json", "{}");
  EXPECT_EQ(error(), "/model.safetensors.index.json: field 'weight_map' is missing, expected an object");
  writeIndex("{}");
  EXPECT_EQ(error(),
            "/model.safetensors.index.json: field 'weight_map': expected at least one tensor, found object "
            "with 0 fields");
  writeIndex("[]");
  EXPECT_EQ(error(),
            "/model.safetensors.index.json: field 'weight_map': expected an object, found array of 0 values");
  writeIndex(R"({"a":"s1.safetensors","a":"s2.safetensors"})");
  EXPECT_THAT(error(), HasSubstr("key 'a' appears twice"));
}

TEST_F(CheckpointTest, AWrongShardIsNamed) {
  write("s1.safetensors", "short");
  writeIndex(R"({"a":"s1.safetensors"})");
  EXPECT_EQ(error(), "/s1.safetensors: the file has 5 bytes, expected at least the 8 of the header length");
}

} // namespace
} // namespace llmc::safetensors
