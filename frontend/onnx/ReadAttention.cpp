// Nodes between queries, keys and values, and what attention makes of them.

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"

#include "frontend/onnx/GraphReader.h"
#include "frontend/onnx/Recognition.h"

namespace llmc::onnx {

namespace {

using Axis = Layout::Axis;

/// Added to a score, makes the weight of its key zero in f32, whatever the others are.
constexpr double kHidden = -1e4;

bool isSequence(const Axis &axis) { return axis.size() == 1 && axis[0].isSequence; }

/// Heads of an activation of which the other axes are [tokens, headDim] in some order.
struct Heads {
  int64_t count = 1;
  int64_t repeats = 1; ///< of each
};
/// `axis` as heads that lie `headDim` apart, each perhaps repeated for several queries.
std::optional<Heads> headsOf(const Axis *axis, int64_t headDim, int64_t width) {
  Heads heads;
  if (axis) {
    if (axis->empty() || axis->size() > 2 || (*axis)[0].isSequence || axis->back().isSequence)
      return std::nullopt;
    auto first = axis->begin();
    if (first->stride > 0) {
      if (first->stride != headDim)
        return std::nullopt;
      heads.count = first->size;
      ++first;
    }
    if (first != axis->end()) {
      if (first->stride != 0 || first + 1 != axis->end())
        return std::nullopt;
      heads.repeats = first->size;
    }
  }
  return heads.count * headDim == width ? std::optional(heads) : std::nullopt;
}

/// `x` as heads whose axes are, behind those of size 1 and of the heads, the sequence and a head's elements,
/// or the other way around.
std::optional<Heads> headsOf(const Activation &x, bool isTransposed, int64_t &headDim) {
  const Layout layout = x.layout.squeezed();
  const int64_t rank = layout.rank();
  if (x.rows->rows != Expression::Rows::All || (rank != 2 && rank != 3))
    return std::nullopt;
  const Axis &tokens = layout.axes()[rank - (isTransposed ? 1 : 2)];
  const Part *element = layout.widthPart(rank - (isTransposed ? 2 : 1));
  if (!isSequence(tokens) || !element || element->stride != 1)
    return std::nullopt;
  headDim = element->size;
  return headsOf(rank == 3 ? &layout.axes()[0] : nullptr, headDim, x.rows->width);
}

Layout scoresLayout(int64_t rank, int64_t heads) {
  std::vector<Axis> axes(std::max<int64_t>(rank, heads == 1 ? 2 : 3));
  axes[axes.size() - 1] = axes[axes.size() - 2] = {Layout::sequence()};
  if (heads > 1)
    axes[axes.size() - 3] = {Layout::width(heads)};
  return Layout(std::move(axes));
}

} // namespace

GraphReader::Values GraphReader::readScores(const Node &node, const Activation &query,
                                            const Activation &key) {
  int64_t headDim = 0, keyDim = 0;
  std::optional<Heads> queries = headsOf(query, /*isTransposed=*/false, headDim);
  std::optional<Heads> keys = headsOf(key, /*isTransposed=*/true, keyDim);
  if (!queries || !keys || headDim != keyDim || queries->repeats != 1 ||
      queries->count != keys->count * keys->repeats)
    return node.unsupported(
        absl::StrCat("multiplies ", describe(Value(query)), " by ", describe(Value(key)),
                     ", expected queries [batch, heads, tokens, size] and transposed keys"));
  // Numbers that queries and keys are multiplied by beforehand scale their products.
  auto [queryFactor, queryRows] = splitFactor(*query.rows);
  auto [keyFactor, keyRows] = splitFactor(*key.rows);
  Scores scores{queryRows, keyRows, queries->count, keys->count, headDim};
  scores.scale = queryFactor * keyFactor;
  scores.layout = scoresLayout(std::max(query.layout.rank(), key.layout.rank()), queries->count);
  return std::vector<Value>{std::move(scores)};
}

GraphReader::Values GraphReader::scaleScores(const Node &node, const Scores &scores, double factor) {
  if (!scores.visible.empty())
    return node.unsupported("scales scores of attention that are masked already");
  Scores scaled = scores;
  scaled.scale *= factor;
  return std::vector<Value>{std::move(scaled)};
}

GraphReader::Values GraphReader::hide(const Node &node, const Scores &scores, const Known &isHidden) {
  Scores masked = scores;
  for (size_t i = 0; i < lengths.size(); ++i) {
    const int64_t length = lengths[i];
    const std::vector<int64_t> shape = scores.layout.shapeAt(length);
    absl::StatusOr<Array> whole = broadcastTo(isHidden.at(i), shape);
    if (!whole.ok())
      return whole.status();
    if (masked.visible.size() <= i)
      masked.visible.push_back(
          {Array::Kind::Boolean, {length, length}, std::vector<double>(length * length, 1)});
    Array &visible = masked.visible[i];
    for (size_t j = 0; j < whole->values.size(); ++j) {
      const size_t place = j % visible.values.size();
      if (whole->values[j] != whole->values[place])
        return node.unsupported("hides other keys from one head than from another");
      if (whole->values[j] != 0)
        visible.values[place] = 0;
    }
  }
  return std::vector<Value>{std::move(masked)};
}

GraphReader::Values GraphReader::addMask(const Node &node, const Scores &scores, const Known &mask) {
  Known isHidden = mask;
  for (Array &array : isHidden.arrays)
    for (double &value : array.values) {
      if (value != 0 && !(value <= kHidden))
        return node.unsupported(absl::StrCat("adds ", value, " to scores of attention (supported: 0, and ",
                                             kHidden, " or less to hide a key)"));
      value = value != 0;
    }
  return hide(node, scores, isHidden);
}

GraphReader::Values GraphReader::readWhere(const Node &node, const Inputs &inputs) {
  if (inputs.size() != 3 || !inputs[1] || !inputs[2])
    return wrong(node, inputs);
  std::optional<Known> condition = knownOf(inputs[0]);
  if (!condition)
    return wrong(node, inputs);
  for (int i : {1, 2}) {
    auto *scores = std::get_if<Scores>(inputs[i]);
    std::optional<Known> other = scores ? knownOf(inputs[3 - i]) : std::nullopt;
    if (!other || !other->isUniform())
      continue;
    const double number = other->at(0).values[0];
    Known isOther = *condition;
    bool isNever = true;
    for (Array &array : isOther.arrays)
      for (double &value : array.values) {
        value = (value != 0) == (i == 2);
        isNever &= value == 0;
      }
    if (isNever)
      return std::vector<Value>{*inputs[i]};
    if (!scores->areWeights && number <= kHidden)
      return hide(node, *scores, isOther);
  }
  // What is the same for all.
  if (condition->isUniform())
    return std::vector<Value>{*inputs[condition->at(0).values[0] != 0 ? 1 : 2]};
  return wrong(node, inputs);
}

GraphReader::Values GraphReader::readSoftmax(const Node &node, const Inputs &inputs) {
  auto *scores = std::get_if<Scores>(inputs[0]);
  if (!scores || scores->areWeights)
    return wrong(node, inputs);
  absl::StatusOr<int64_t> axis = checkedAxis(node.integerOr("axis", -1), scores->layout.rank());
  if (!axis.ok())
    return axis.status();
  if (*axis != scores->layout.rank() - 1)
    return wrong(node, inputs);
  Scores weights = *scores;
  weights.areWeights = true;
  return std::vector<Value>{std::move(weights)};
}

/// Which keys the mask lets queries see: `attention` says so too, or nothing does.
static bool isMaskOf(const std::vector<Array> &visible, const Expression::Attention &attention) {
  return absl::c_all_of(visible, [&](const Array &array) {
    const int64_t length = array.shape[0];
    for (int64_t query = 0; query < length; ++query)
      for (int64_t key = 0; key < length; ++key) {
        const bool isSeen =
            (!attention.isCausal || key <= query) && (!attention.window || query - key < *attention.window);
        if (isSeen != (array.values[query * length + key] != 0))
          return false;
      }
    return true;
  });
}

GraphReader::Values GraphReader::readMixed(const Node &node, const Scores &weights, const Activation &value) {
  int64_t headDim = 0;
  std::optional<Heads> values = headsOf(value, /*isTransposed=*/false, headDim);
  if (!weights.areWeights || !values || headDim != weights.headDim || values->count != weights.kvHeads ||
      values->count * values->repeats != weights.heads)
    return node.unsupported(absl::StrCat("multiplies ", describe(Value(weights)), " by ",
                                         describe(Value(value)),
                                         ", expected values [batch, heads, tokens, size] like the keys"));
  Expression::Attention attention{weights.heads, weights.kvHeads, weights.scale};
  if (!isMaskOf(weights.visible, attention)) {
    attention.isCausal = true;
    // The longest sequence shows a window: how many keys the last query sees.
    const Array &last = weights.visible.back();
    const int64_t length = last.shape[0];
    const auto row = absl::MakeConstSpan(last.values).last(length);
    const int64_t seen = length - absl::c_count(row, 0.0);
    if (seen < length)
      attention.window = seen;
    if (!isMaskOf(weights.visible, attention))
      return node.unsupported("has a mask that is neither causal nor a window of earlier tokens");
  }
  Layout layout;
  {
    std::vector<Axis> axes(std::max<int64_t>(weights.layout.rank(), weights.heads == 1 ? 2 : 3));
    axes[axes.size() - 1] = {Layout::width(headDim)};
    axes[axes.size() - 2] = {Layout::sequence()};
    if (weights.heads > 1)
      axes[axes.size() - 3] = {Layout::width(weights.heads, headDim)};
    layout = Layout(std::move(axes));
  }
  Expression mixed{.op = Expression::Op::Attention,
                   .operands = {weights.query, weights.key, value.rows},
                   .width = weights.heads * headDim,
                   .rows = Expression::Rows::All,
                   .attention = attention};
  return std::vector<Value>{activation(node, std::move(mixed), std::move(layout))};
}

} // namespace llmc::onnx
