// Nodes that join tensors: keys behind those of a cache, and rotary embeddings, x * cos + turned(x) * sin,
// where turned(x) has the halves of each head exchanged, the one that comes first negated (Su et al., 2021,
// in the form of transformers).

#include <cmath>

#include "absl/strings/str_cat.h"

#include "frontend/onnx/GraphReader.h"

namespace llmc::onnx {

using What = RotaryPart::What;

/// Nothing if it is no half of the last axis, or if that is no head's.
std::optional<Value> GraphReader::halfOf(const Activation &x, int64_t axis, int64_t start,
                                         int64_t count) const {
  const Part *part = x.layout.widthPart(axis);
  const bool isHalf = part && axis == x.layout.rank() - 1 && part->stride == 1 && part->size == 2 * count &&
                      (start == 0 || start == count);
  // [batch, heads, tokens, size]: of a single head too, which is the whole width.
  if (!isHalf || x.layout.rank() < 4)
    return std::nullopt;
  return RotaryPart{x, start == 0 ? What::First : What::Second};
}

GraphReader::Values GraphReader::readConcat(const Node &node, const Inputs &inputs) {
  // Behind a cache of no tokens.
  auto *cache = std::get_if<Known>(inputs[0]);
  if (cache && cache->arrays.size() == 1 && cache->at(0).values.empty() && inputs.size() == 2 && inputs[1]) {
    auto *x = std::get_if<Activation>(inputs[1]);
    absl::StatusOr<int64_t> axis = checkedAxis(node.integerOr("axis", 0), x ? x->layout.rank() : 0);
    if (axis.ok() && x->layout.isSequence(*axis) && x->layout.rank() == 4 && cache->at(0).shape[*axis] == 0)
      return std::vector<Value>{*x};
    return wrong(node, inputs);
  }
  if (inputs.size() == 2 && inputs[1]) {
    auto *first = std::get_if<RotaryPart>(inputs[0]), *second = std::get_if<RotaryPart>(inputs[1]);
    const bool isTurned = first && second && first->what == What::NegatedSecond &&
                          second->what == What::First && first->x.rows == second->x.rows &&
                          first->x.layout == second->x.layout;
    const int64_t rank = isTurned ? first->x.layout.rank() : 0, axis = node.integerOr("axis", 0);
    if (isTurned && (axis == -1 || axis == rank - 1))
      return std::vector<Value>{RotaryPart{first->x, What::Turned}};
  }
  return wrong(node, inputs);
}

/// Nothing if `x` is no head's, or if `factor` is no number for each token and each element of a head.
std::optional<Value> GraphReader::rotaryTermOf(const Value &x, const Value &factor) const {
  auto *part = std::get_if<RotaryPart>(&x);
  auto *activation = std::get_if<Activation>(&x);
  auto *known = std::get_if<Known>(&factor);
  if ((part ? part->what != What::Turned : !activation) || !known || known->arrays.size() == 1 ||
      known->isUniform())
    return std::nullopt;
  const Activation &heads = part ? part->x : *activation;
  const Part *elements = heads.layout.rank() < 2 ? nullptr : heads.layout.widthPart(heads.layout.rank() - 1);
  if (!elements || elements->stride != 1 || !heads.layout.isSequence(heads.layout.rank() - 2))
    return std::nullopt;
  RotaryTerm term{heads, part != nullptr, *known};
  for (size_t i = 0; i < lengths.size(); ++i) {
    Array &array = term.factor.arrays[i];
    if (static_cast<int64_t>(array.values.size()) != lengths[i] * elements->size || array.shape.size() < 2 ||
        array.shape.back() != elements->size)
      return std::nullopt;
    array.shape = {lengths[i], elements->size};
  }
  return term;
}

GraphReader::Values GraphReader::rotate(const Node &node, const RotaryTerm &a, const RotaryTerm &b) {
  const RotaryTerm &cosines = a.isTurned ? b : a, &sines = a.isTurned ? a : b;
  const Activation &x = cosines.x;
  if (a.isTurned == b.isTurned || x.rows != sines.x.rows || x.layout != sines.x.layout)
    return node.unsupported("adds parts of rotary embeddings that do not belong together");
  const int64_t headDim = cosines.factor.at(0).shape[1], pairs = headDim / 2;
  if (headDim % 2 != 0 || x.rows->width % headDim != 0)
    return node.unsupported(absl::StrCat("rotates heads of ", headDim));
  // The second token has turned by the frequencies.
  std::vector<double> frequencies;
  for (int64_t i = 0; i < pairs; ++i)
    frequencies.push_back(
        std::atan2(sines.factor.at(0).values[headDim + i], cosines.factor.at(0).values[headDim + i]));
  constexpr double kBound = 1e-5;
  for (size_t length = 0; length < lengths.size(); ++length)
    for (int64_t place = 0; place < lengths[length] * headDim; ++place) {
      const double angle = static_cast<double>(place / headDim) * frequencies[place % pairs];
      if (std::fabs(cosines.factor.at(length).values[place] - std::cos(angle)) > kBound ||
          std::fabs(sines.factor.at(length).values[place] - std::sin(angle)) > kBound)
        return node.unsupported(
            "multiplies by numbers that are no cosines and sines of angles that grow with "
            "the position");
    }
  for (double frequency : frequencies)
    if (!(frequency > 0))
      return node.unsupported("rotates by angles that do not grow with the position");
  Expression rope{
      .op = Expression::Op::Rope, .operands = {x.rows}, .width = x.rows->width, .rows = x.rows->rows};
  rope.attention.heads = rope.width / headDim;
  rope.frequencies = std::move(frequencies);
  return std::vector<Value>{activation(node, std::move(rope), x.layout)};
}

} // namespace llmc::onnx
