#include "frontend/onnx/Node.h"

#include "absl/strings/str_cat.h"

#include "runtime/io/Message.h"

namespace llmc::onnx {

std::string Node::op() const {
  const bool isStandard = proto.domain().empty() || proto.domain() == "ai.onnx";
  return isStandard ? proto.op_type() : absl::StrCat(proto.domain(), ".", proto.op_type());
}

const std::string &Node::name() const {
  return proto.name().empty() && proto.output_size() > 0 ? proto.output(0) : proto.name();
}

std::string Node::describe() const {
  const std::string quoted = io::quote(op());
  return absl::StrCat("node ", io::quote(name()), " (", quoted.substr(1, quoted.size() - 2), ")");
}

const wire::AttributeProto *Node::find(absl::string_view attribute) const {
  for (const wire::AttributeProto &candidate : proto.attribute())
    if (candidate.name() == attribute)
      return &candidate;
  return nullptr;
}

int64_t Node::integerOr(absl::string_view attribute, int64_t missing) const {
  const wire::AttributeProto *found = find(attribute);
  return found ? found->i() : missing;
}

double Node::numberOr(absl::string_view attribute, double missing) const {
  const wire::AttributeProto *found = find(attribute);
  return found ? found->f() : missing;
}

std::string Node::textOr(absl::string_view attribute, absl::string_view missing) const {
  const wire::AttributeProto *found = find(attribute);
  return found ? found->s() : std::string(missing);
}

std::optional<std::vector<int64_t>> Node::integers(absl::string_view attribute) const {
  const wire::AttributeProto *found = find(attribute);
  if (!found)
    return std::nullopt;
  return std::vector<int64_t>(found->ints().begin(), found->ints().end());
}

absl::Status Node::unsupported(absl::string_view what) const {
  return absl::UnimplementedError(absl::StrCat(describe(), ": ", what));
}

absl::Status Node::invalid(absl::string_view what) const {
  return absl::InvalidArgumentError(absl::StrCat(describe(), ": ", what));
}

} // namespace llmc::onnx
