// Operators of ONNX Runtime (domain com.microsoft), which its optimizer puts in the place of others. They are
// described in the ONNX Runtime repository, docs/ContribOperators.md.

#include <cmath>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"

#include "frontend/onnx/GraphReader.h"

namespace llmc::onnx {

using Op = Expression::Op;

/// The norm of a sum.
GraphReader::Values GraphReader::readSkipNorm(const Node &node, const Inputs &inputs) {
  const bool isLayerNorm = node.op() == "com.microsoft.SkipLayerNormalization";
  const size_t biasOfSum = isLayerNorm ? 4 : 3;
  if (inputs.size() < 3 || !inputs[1] || !inputs[2])
    return wrong(node, inputs);
  Value x = *inputs[0];
  if (inputs.size() > biasOfSum && inputs[biasOfSum]) {
    Values biased = combine(node, Op::Add, x, *inputs[biasOfSum]);
    if (!biased.ok())
      return biased;
    x = biased->front();
  }
  Values sum = combine(node, Op::Add, x, *inputs[1]);
  if (!sum.ok())
    return sum;
  const bool hasBias = isLayerNorm && inputs.size() > 3;
  Values norm = normOf(node, std::get<Activation>(sum->front()), isLayerNorm ? Op::LayerNorm : Op::RmsNorm,
                       {inputs[2], hasBias ? inputs[3] : nullptr}, 1e-12);
  if (!norm.ok())
    return norm;
  std::vector<Value> results = *std::move(norm);
  // The fourth output is the sum; the two before it are none of inference.
  if (node.outputs() > 1) {
    results.resize(3, node.unsupported("has outputs of training, which are not supported"));
    results.push_back(sum->front());
  }
  return results;
}

/// The norm of the sum of embeddings: ids, kinds, tables of words, positions and kinds, weight and bias of
/// the norm, mask, positions. Its second output is the number of tokens by the mask.
GraphReader::Values GraphReader::readEmbedNorm(const Node &node, const Inputs &inputs) {
  auto input = [&](size_t index) { return index < inputs.size() ? inputs[index] : nullptr; };
  if (!input(2) || !input(3) || !input(5))
    return wrong(node, inputs);
  const Value places = input(8) ? *input(8) : Value(positions());
  std::optional<Value> sum;
  for (auto [ids, table] :
       {std::pair(input(0), input(2)), std::pair(input(1), input(4)), std::pair(&places, input(3))}) {
    if (!ids || !table)
      continue;
    auto *constant = std::get_if<Constant>(table);
    if (!constant || constant->isTransposed || constant->tensor->shape.size() != 2)
      return wrong(node, inputs);
    auto *known = std::get_if<Known>(ids);
    if (!std::holds_alternative<Ids>(*ids) && !(known && known->arrays.size() > 1))
      return wrong(node, inputs);
    Values rows = readEmbedding(node, *constant, *ids);
    if (rows.ok() && sum)
      rows = combine(node, Op::Add, *sum, rows->front());
    if (!rows.ok())
      return rows;
    sum = std::move(rows->front());
  }
  Values results = normOf(node, std::get<Activation>(*sum), Op::LayerNorm, {input(5), input(6)}, 1e-12);
  if (!results.ok() || node.outputs() == 1)
    return results;
  Known tokens;
  for (int64_t length : lengths)
    tokens.arrays.push_back({Array::Kind::Integer, {1}, {static_cast<double>(length)}});
  results->push_back(std::move(tokens));
  results->push_back(*std::move(sum));
  return results;
}

/// Whether a mask lets every query see all tokens: ones, or the number of tokens.
bool GraphReader::hidesNothing(const Value &mask) const {
  auto *known = std::get_if<Known>(&mask);
  for (size_t i = 0; i < lengths.size() && known; ++i) {
    const Array &array = known->at(i);
    const double expected = array.shape.size() == 1 ? static_cast<double>(lengths[i]) : 1;
    if (!array.isUniform() || array.values[0] != expected)
      return false;
  }
  return known != nullptr;
}

/// Attention with one product for queries, keys and values: input, weight, bias, mask.
GraphReader::Values GraphReader::readAttention(const Node &node, const Inputs &inputs) {
  auto *x = std::get_if<Activation>(inputs[0]);
  if (!x || inputs.size() < 2 || !inputs[1])
    return wrong(node, inputs);
  for (size_t i = 3; i < inputs.size(); ++i)
    if (inputs[i] && (i != 3 || !hidesNothing(*inputs[i])))
      return node.unsupported(absl::StrCat("has ", describe(*inputs[i]), " as its operand ", i,
                                           " (supported: a mask of the tokens that are there)"));
  if (node.has("qkv_hidden_sizes") || node.integerOr("do_rotary", 0) != 0)
    return node.unsupported("has qkv_hidden_sizes or do_rotary, which are not supported");
  Values merged = product(node, *x, *inputs[1], /*isTransposed=*/true);
  if (merged.ok() && inputs.size() > 2 && inputs[2])
    merged = combine(node, Op::Add, merged->front(), *inputs[2]);
  if (!merged.ok())
    return merged;
  const Activation &rows = std::get<Activation>(merged->front());
  const int64_t width = rows.rows->width / 3, heads = node.integerOr("num_heads", 0);
  if (rows.rows->width % 3 != 0 || heads < 1 || width % heads != 0 ||
      rows.rows->rows != Expression::Rows::All)
    return node.invalid(absl::StrCat("has ", heads, " heads and a product of ", rows.rows->width,
                                     " for queries, keys and values"));
  Expression mixed{.op = Op::Attention, .width = width, .rows = Expression::Rows::All};
  for (int64_t part : {0, 1, 2}) {
    Expression slice{.op = Op::Slice,
                     .operands = {rows.rows},
                     .width = width,
                     .rows = Expression::Rows::All,
                     .first = part * width};
    mixed.operands.push_back(std::get<Activation>(activation(node, std::move(slice), Layout())).rows);
  }
  const double scale = node.numberOr("scale", 0);
  mixed.attention = {heads, heads, scale != 0 ? scale : 1 / std::sqrt(double(width) / double(heads)),
                     node.integerOr("unidirectional", 0) != 0};
  const int64_t last = rows.layout.rank() - 1;
  return std::vector<Value>{
      activation(node, std::move(mixed), rows.layout.withAxis(last, {Layout::width(width)}))};
}

} // namespace llmc::onnx
