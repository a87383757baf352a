#ifndef LLMC_FRONTEND_ONNX_NODE_H
#define LLMC_FRONTEND_ONNX_NODE_H

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

#include "frontend/onnx/onnx.pb.h"

namespace llmc::onnx {

/// A node of the graph with typed access to its attributes. A view: the protobuf message outlives it.
class Node {
public:
  Node(const wire::NodeProto &proto, int64_t operatorVersion) : proto(proto), version(operatorVersion) {}

  /// The operator; those of other domains than ONNX's with the domain before it ("com.microsoft.FastGelu").
  std::string op() const;
  /// "node 'NAME' (OP)": how messages begin.
  std::string describe() const;
  /// A name for what comes from the node.
  const std::string &name() const;
  int64_t operatorVersion() const { return version; }

  int inputs() const { return proto.input_size(); }
  const std::string &input(int index) const { return proto.input(index); }
  int outputs() const { return proto.output_size(); }
  const std::string &output(int index) const { return proto.output(index); }

  bool has(absl::string_view attribute) const { return find(attribute) != nullptr; }
  int64_t integerOr(absl::string_view attribute, int64_t missing) const;
  double numberOr(absl::string_view attribute, double missing) const;
  std::string textOr(absl::string_view attribute, absl::string_view missing) const;
  std::optional<std::vector<int64_t>> integers(absl::string_view attribute) const;
  const wire::AttributeProto *find(absl::string_view attribute) const;

  absl::Status unsupported(absl::string_view what) const;
  absl::Status invalid(absl::string_view what) const;

private:
  const wire::NodeProto &proto;
  int64_t version;
};

} // namespace llmc::onnx

#endif // LLMC_FRONTEND_ONNX_NODE_H
