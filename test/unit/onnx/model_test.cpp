// ONNX files: what is read of them, and one line for each way to be malformed.

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "frontend/onnx/Model.h"
#include "test/unit/onnx/OnnxWriter.h"

using namespace llmc::onnx;
using llmc::onnx::testing::OnnxWriter;
using llmc::onnx::testing::smallEncoder;
using ::testing::ElementsAre;
using ::testing::StartsWith;

namespace {

absl::Span<const uint8_t> spanOf(const std::string &bytes) {
  return {reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()};
}

std::string refusal(const std::string &bytes) {
  absl::StatusOr<Model> model = Model::parse("m.onnx", spanOf(bytes));
  return model.ok() ? "accepted" : std::string(model.status().message());
}

TEST(OnnxModel, TensorsStayInTheFile) {
  const std::string bytes = smallEncoder().bytes();
  absl::StatusOr<Model> model = Model::parse("m.onnx", spanOf(bytes));
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_EQ(model->operatorVersion(), 17);
  EXPECT_EQ(model->graph().node_size(), 10);
  EXPECT_EQ(model->graph().initializer_size(), 0);
  const Tensor *words = model->findInitializer("words.weight");
  ASSERT_NE(words, nullptr);
  EXPECT_THAT(words->shape, ElementsAre(11, 4));
  EXPECT_EQ(words->at(5), 1.25);
  EXPECT_GE(words->bytes.data(), spanOf(bytes).data());
  EXPECT_LT(words->bytes.data(), spanOf(bytes).data() + bytes.size());
  EXPECT_EQ(model->findInitializer("no.weight"), nullptr);
}

TEST(OnnxModel, TypedFieldsHoldElementsOfAllTypes) {
  OnnxWriter writer;
  auto add = [&](int type, int64_t count) -> wire::TensorProto & {
    wire::TensorProto &tensor = *writer.graph.add_initializer();
    tensor.set_name("t" + std::to_string(type));
    tensor.set_data_type(type);
    tensor.add_dims(count);
    return tensor;
  };
  add(1, 1).add_float_data(0.5);
  add(11, 1).add_double_data(0.25);
  add(7, 1).add_int64_data(-5);
  add(6, 1).add_int32_data(-6);
  add(3, 1).add_int32_data(-7);
  add(9, 1).add_int32_data(1);
  add(10, 1).add_int32_data(0x3c00); // 1 in f16
  add(16, 1).add_int32_data(0x4000); // 2 in bf16
  add(13, 1).add_uint64_data(8);
  const std::string bytes = writer.bytes();
  absl::StatusOr<Model> model = Model::parse("m.onnx", spanOf(bytes));
  ASSERT_TRUE(model.ok()) << model.status().message();
  std::vector<double> values;
  for (const Tensor &tensor : model->initializers())
    values.push_back(tensor.at(0));
  EXPECT_THAT(values, ElementsAre(0.5, 0.25, -5, -6, -7, 1, 1, 2, 8));
}

TEST(OnnxModel, EveryCutOffFileIsRefused) {
  const std::string bytes = smallEncoder().bytes();
  for (size_t size = 1; size < bytes.size(); ++size) {
    const std::string message = refusal(bytes.substr(0, size));
    EXPECT_NE(message, "accepted") << size;
    EXPECT_EQ(message.find('\n'), std::string::npos);
    EXPECT_THAT(message, StartsWith("m.onnx: "));
  }
}

TEST(OnnxModel, MalformedFilesAreRefusedWithOneLine) {
  EXPECT_EQ(refusal("not a model"), "m.onnx: is cut off or is no ONNX model");
  EXPECT_EQ(refusal(wire::ModelProto().SerializeAsString()), "m.onnx: has no graph: is no ONNX model");
  OnnxWriter old = smallEncoder();
  old.opset = 9;
  EXPECT_EQ(refusal(old.bytes()),
            "m.onnx: has operators of version 9, which is not supported (supported: opset 13 to 23)");
  wire::ModelProto functions;
  functions.add_opset_import()->set_version(18);
  functions.add_functions()->set_name("gelu");
  EXPECT_EQ(
      refusal(functions.SerializeAsString() + OnnxWriter::field(7, "")),
      "m.onnx: has function 'gelu', which is not supported: expected a graph whose functions are inlined");
  EXPECT_EQ(refusal(smallEncoder().bytes() + OnnxWriter::field(7, "")), "m.onnx: has two graphs");

  OnnxWriter twice = smallEncoder();
  twice.weight("words.weight", {1});
  EXPECT_EQ(refusal(twice.bytes()), "m.onnx: tensor 'words.weight' is there twice");
  OnnxWriter shorter = smallEncoder();
  shorter.weight("w", {2, 3}).mutable_raw_data()->resize(20);
  EXPECT_EQ(refusal(shorter.bytes()),
            "m.onnx: tensor 'w': raw_data has 20 bytes, expected 24 for FLOAT [2, 3]");
  OnnxWriter negative = smallEncoder();
  negative.weight("w", {2}).set_dims(0, -2);
  EXPECT_EQ(refusal(negative.bytes()), "m.onnx: tensor 'w': has shape [-2], expected sizes from 0 to 2^40");
  OnnxWriter complex = smallEncoder();
  complex.weight("w", {2}).set_data_type(14);
  EXPECT_THAT(refusal(complex.bytes()),
              StartsWith("m.onnx: tensor 'w': element type 14 is not supported (supported: FLOAT, UINT8"));
  OnnxWriter sparse = smallEncoder();
  sparse.graph.add_sparse_initializer()->mutable_values()->set_name("w");
  EXPECT_EQ(refusal(sparse.bytes()), "m.onnx: tensor 'w' is sparse, which is not supported");
}

/// A folder with a model whose tensor w, [2, 3], is in another file.
class ExternalData : public ::testing::Test {
protected:
  ExternalData() {
    folder = ::testing::TempDir() + "onnx_XXXXXX";
    EXPECT_NE(::mkdtemp(folder.data()), nullptr);
    std::ofstream(folder + "/m.data", std::ios::binary) << std::string(8, 'x') << std::string(24, '\0');
  }
  ~ExternalData() override { std::filesystem::remove_all(folder); }

  /// The message without the folder, or "accepted".
  std::string open(std::vector<std::pair<std::string, std::string>> entries) {
    OnnxWriter writer = smallEncoder();
    wire::TensorProto &tensor = writer.weight("w", {2, 3});
    tensor.clear_raw_data();
    tensor.set_data_location(wire::TensorProto::EXTERNAL);
    for (const auto &[key, value] : entries) {
      wire::StringStringEntryProto &entry = *tensor.add_external_data();
      entry.set_key(key);
      entry.set_value(value);
    }
    std::ofstream(folder + "/m.onnx", std::ios::binary) << writer.bytes();
    absl::StatusOr<Model> model = Model::open(folder + "/m.onnx");
    if (model.ok()) {
      EXPECT_EQ(model->findInitializer("w")->bytes.size(), 24u);
      EXPECT_EQ(model->files().size(), 2u);
      return "accepted";
    }
    std::string message(model.status().message());
    for (size_t at; (at = message.find(folder + "/")) != std::string::npos;)
      message.erase(at, folder.size() + 1);
    return message;
  }

  std::string folder;
};

TEST_F(ExternalData, LiesBesideTheModel) {
  EXPECT_EQ(open({{"location", "m.data"}, {"offset", "8"}, {"length", "24"}}), "accepted");
  EXPECT_EQ(open({{"location", "m.data"}}), "accepted");
}

TEST_F(ExternalData, IsHeldAgainstTheFile) {
  EXPECT_EQ(open({{"location", "m.data"}, {"offset", "8"}, {"length", "20"}}),
            "m.onnx: tensor 'w': external data has 20 bytes, expected 24 for FLOAT [2, 3]");
  EXPECT_EQ(open({{"location", "m.data"}, {"offset", "16"}, {"length", "24"}}),
            "m.onnx: tensor 'w': external data is at 16 and has 24 bytes, but m.data has 32");
  EXPECT_EQ(open({{"location", "m.data"}, {"offset", "99"}}),
            "m.onnx: tensor 'w': external data is at 99 and has 0 bytes, but m.data has 32");
  EXPECT_EQ(open({{"location", "m.data"}, {"offset", "-1"}}),
            "m.onnx: tensor 'w': external offset is '-1', expected a number");
  EXPECT_THAT(open({{"location", "other.data"}}), StartsWith("m.onnx: tensor 'w': other.data: "));
  for (const char *location : {"../m.data", "/m.data", "a/../../m.data", ""})
    EXPECT_EQ(open({{"location", location}}), "m.onnx: tensor 'w': external location is '" +
                                                  std::string(location) +
                                                  "', expected a file beside the model");
}

} // namespace
