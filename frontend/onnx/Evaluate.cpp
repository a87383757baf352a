#include "frontend/onnx/Evaluate.h"

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"

#include "frontend/onnx/Operators.h"
#include "runtime/io/Message.h"

namespace llmc::onnx {

static const Operator *findOperator(const Node &node) {
  static const auto *const all = [] {
    auto *table = new absl::flat_hash_map<absl::string_view, const Operator *>();
    for (auto list : {arithmeticOperators(), movingOperators()})
      for (const Operator &entry : list)
        table->emplace(entry.name, &entry);
    return table;
  }();
  auto found = all->find(node.op());
  return found == all->end() ? nullptr : found->second;
}

bool canEvaluate(const Node &node) { return findOperator(node) != nullptr; }

absl::StatusOr<std::vector<Array>> evaluate(const Node &node, Operands operands) {
  const Operator *found = findOperator(node);
  if (!found)
    return node.unsupported("is not supported on constants and shapes");
  for (size_t i = 0; i < found->needed; ++i)
    if (i >= operands.size() || !operands[i])
      return node.invalid(absl::StrCat("has no operand ", i, ", expected at least ", found->needed));
  absl::StatusOr<std::vector<Array>> results = found->evaluate(node, operands);
  if (!results.ok())
    return io::withContext(node.describe(), results.status());
  for (const Array &array : *results)
    if (static_cast<int64_t>(array.values.size()) > kMostElements)
      return node.unsupported(
          absl::StrCat("makes an array of shape ", describeShape(array.shape), ", which is too large"));
  if (results->size() < static_cast<size_t>(node.outputs()))
    return node.invalid(absl::StrCat("has ", node.outputs(), " outputs, expected at most ", results->size()));
  return results;
}

} // namespace llmc::onnx
