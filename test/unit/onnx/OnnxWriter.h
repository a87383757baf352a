#ifndef LLMC_TEST_UNIT_ONNX_ONNXWRITER_H
#define LLMC_TEST_UNIT_ONNX_ONNXWRITER_H

#include <initializer_list>
#include <string>
#include <vector>

#include "frontend/onnx/onnx.pb.h"

namespace llmc::onnx::testing {

/// Writes the bytes of ONNX files.
class OnnxWriter {
public:
  wire::GraphProto graph;
  int64_t opset = 17;

  /// An input [batch, sequence] of int64.
  wire::ValueInfoProto &input(const std::string &name) {
    wire::ValueInfoProto &added = *graph.add_input();
    added.set_name(name);
    auto &type = *added.mutable_type()->mutable_tensor_type();
    type.set_elem_type(7);
    for (const char *axis : {"batch", "sequence"})
      type.mutable_shape()->add_dim()->set_dim_param(axis);
    return added;
  }
  void output(const std::string &name) { graph.add_output()->set_name(name); }
  wire::NodeProto &node(const std::string &op, std::initializer_list<std::string> inputs,
                        std::initializer_list<std::string> outputs) {
    wire::NodeProto &added = *graph.add_node();
    added.set_op_type(op);
    added.set_name("/" + *outputs.begin());
    for (const std::string &name : inputs)
      added.add_input(name);
    for (const std::string &name : outputs)
      added.add_output(name);
    return added;
  }
  static void attribute(wire::NodeProto &node, const std::string &name, int64_t value) {
    wire::AttributeProto &added = *node.add_attribute();
    added.set_name(name);
    added.set_i(value);
  }
  /// A tensor of f32 whose elements are 0, 0.25, 0.5, ...
  wire::TensorProto &weight(const std::string &name, std::vector<int64_t> shape) {
    wire::TensorProto &added = *graph.add_initializer();
    added.set_name(name);
    added.set_data_type(1);
    int64_t count = 1;
    for (int64_t size : shape) {
      added.add_dims(size);
      count *= size;
    }
    std::vector<float> values(count);
    for (int64_t i = 0; i < count; ++i)
      values[i] = 0.25f * static_cast<float>(i);
    added.set_raw_data(reinterpret_cast<const char *>(values.data()), values.size() * sizeof(float));
    return added;
  }
  void integers(const std::string &name, std::vector<int64_t> values) {
    wire::TensorProto &added = *graph.add_initializer();
    added.set_name(name);
    added.set_data_type(7);
    added.add_dims(static_cast<int64_t>(values.size()));
    added.mutable_int64_data()->Assign(values.begin(), values.end());
  }

  std::string bytes() const {
    wire::ModelProto header;
    header.set_ir_version(8);
    header.add_opset_import()->set_version(opset);
    return header.SerializeAsString() + field(7, graph.SerializeAsString());
  }

  /// A field of bytes as protobuf writes it.
  static std::string field(int number, const std::string &content) {
    std::string result(1, static_cast<char>(number << 3 | 2));
    size_t size = content.size();
    for (; size >= 0x80; size >>= 7)
      result.push_back(static_cast<char>(size | 0x80));
    result.push_back(static_cast<char>(size));
    return result + content;
  }
};

/// Embeddings of tokens and positions, added: the smallest graph that is a model of text.
inline OnnxWriter smallEncoder() {
  OnnxWriter writer;
  writer.input("input_ids");
  writer.weight("words.weight", {11, 4});
  writer.weight("positions.weight", {9, 4});
  writer.integers("zero", {0});
  writer.integers("one", {1});
  writer.integers("two", {2});
  writer.node("Shape", {"input_ids"}, {"shape"});
  writer.node("Slice", {"shape", "one", "two"}, {"length"});
  writer.node("Squeeze", {"zero"}, {"start"});
  writer.node("Squeeze", {"one"}, {"step"});
  writer.node("Squeeze", {"length"}, {"end"});
  writer.node("Range", {"start", "end", "step"}, {"places"});
  writer.node("Unsqueeze", {"places", "zero"}, {"position_ids"});
  writer.node("Gather", {"words.weight", "input_ids"}, {"words"});
  writer.node("Gather", {"positions.weight", "position_ids"}, {"positions"});
  writer.node("Add", {"words", "positions"}, {"embeddings"});
  return writer;
}

} // namespace llmc::onnx::testing

#endif // LLMC_TEST_UNIT_ONNX_ONNXWRITER_H
