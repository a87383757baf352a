//===- NNIteration.cpp - the loops of each operation -------------------------------------------------===//

#include "dialects/nn/NN.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace llmc::nn;

namespace {

constexpr auto kParallel = utils::IteratorType::parallel, kReduction = utils::IteratorType::reduction;

constexpr DimAccess kWhole;
DimAccess by(unsigned loop, int64_t unit = 1) { return {loop, unit}; }

int64_t dim(Value value, unsigned index) { return cast<ShapedType>(value.getType()).getDimSize(index); }

/// Elements that are stored as one: those of a block, or one.
int64_t unitOf(Value value) {
  auto block = dyn_cast<BlockType>(getElementTypeOrSelf(value));
  return block ? block.getBlockSize() : 1;
}

/// Rows and columns of an operation on single elements.
IterationSpace elementwise(Value input) {
  const int64_t unit = unitOf(input);
  return {{kParallel, kParallel}, {{by(0), by(1, unit)}}, {{by(0), by(1, unit)}}};
}

/// Rows and heads of a rotation; `angles` are the dimensions of what gives them. Heads of an unknown size are
/// not taken apart.
IterationSpace rotation(Value input, int64_t heads, ArrayRef<DimAccess> angles) {
  const int64_t width = dim(input, 1);
  SmallVector<DimAccess, 2> others(angles);
  if (ShapedType::isDynamic(width))
    return {{kParallel}, {{by(0), kWhole}, others}, {{by(0), kWhole}}};
  return {{kParallel, kParallel}, {{by(0), by(1, width / heads)}, others}, {{by(0), by(1, width / heads)}}};
}

/// Sets the attribute `heads` of a tile over rows and heads.
template <typename Op>
LogicalResult adaptHeads(Op op, const IterationSpace &space, ArrayRef<OpFoldResult> sizes) {
  const std::optional<unsigned> loop = space.operands[0][1].loop;
  if (!loop || *loop >= sizes.size())
    return success();
  std::optional<int64_t> heads = getConstantIntValue(sizes[*loop]);
  if (!heads)
    return failure();
  op.setHeads(*heads);
  return success();
}

} // namespace

IterationSpace EmbeddingOp::getIterationSpace() {
  const int64_t unit = unitOf(getTable());
  return {{kParallel, kParallel}, {{by(0)}, {kWhole, by(1, unit)}}, {{by(0), by(1, unit)}}};
}

// Rows, outputs, inputs.
IterationSpace LinearOp::getIterationSpace() {
  const int64_t unit = std::max(unitOf(getInput()), unitOf(getWeight()));
  IterationSpace space{
      {kParallel, kParallel, kReduction}, {{by(0), by(2, unit)}, {by(1), by(2, unit)}}, {{by(0), by(1)}}};
  if (getBias())
    space.operands.push_back({by(1)});
  return space;
}

// Each summand would add the bias.
LogicalResult LinearOp::adaptToTile(const IterationSpace &, ArrayRef<OpFoldResult> offsets,
                                    ArrayRef<OpFoldResult>) {
  return success(offsets.size() < 3 || !getBias());
}

// Rows, groups.
IterationSpace RmsNormOp::getIterationSpace() {
  const int64_t group = dim(getWeight(), 0);
  if (ShapedType::isDynamic(group))
    return {{kParallel}, {{by(0), kWhole}, {kWhole}}, {{by(0), kWhole}}};
  return {{kParallel, kParallel}, {{by(0), by(1, group)}, {kWhole}}, {{by(0), by(1, group)}}};
}

IterationSpace LayerNormOp::getIterationSpace() {
  IterationSpace space{{kParallel}, {{by(0), kWhole}, {kWhole}}, {{by(0), kWhole}}};
  if (getBias())
    space.operands.push_back({kWhole});
  return space;
}

IterationSpace SiluOp::getIterationSpace() { return elementwise(getInput()); }
IterationSpace GeluOp::getIterationSpace() { return elementwise(getInput()); }
IterationSpace ReluOp::getIterationSpace() { return elementwise(getInput()); }
IterationSpace ScaleOp::getIterationSpace() { return elementwise(getInput()); }
IterationSpace SoftcapOp::getIterationSpace() { return elementwise(getInput()); }

IterationSpace RopeOp::getIterationSpace() { return rotation(getInput(), getHeads(), {by(0)}); }
LogicalResult RopeOp::adaptToTile(const IterationSpace &space, ArrayRef<OpFoldResult>,
                                  ArrayRef<OpFoldResult> sizes) {
  return adaptHeads(*this, space, sizes);
}

IterationSpace RopeTableOp::getIterationSpace() { return {{kParallel}, {{by(0)}}, {{by(0), kWhole}}}; }

IterationSpace RotateOp::getIterationSpace() { return rotation(getInput(), getHeads(), {by(0), kWhole}); }
LogicalResult RotateOp::adaptToTile(const IterationSpace &space, ArrayRef<OpFoldResult>,
                                    ArrayRef<OpFoldResult> sizes) {
  return adaptHeads(*this, space, sizes);
}

//===----------------------------------------------------------------------===//
// Attention and caches
//===----------------------------------------------------------------------===//

/// The rows of a bias that belong to one head of keys.
template <typename Op> static int64_t rowsOfBias(Op op) {
  const int64_t group = op.getHeads() / op.getKvHeads();
  return op.getByDistance() ? group : group * dim(op.getQuery(), 0);
}

/// Whether attention or its gradient can be tiled over heads of keys.
template <typename Op> static bool areHeadsKnown(Op op) {
  const bool needsQueries = op.getBias() && !op.getByDistance();
  return !ShapedType::isDynamic(dim(op.getKey(), 1)) && !ShapedType::isDynamic(dim(op.getValue(), 1)) &&
         (!needsQueries || !ShapedType::isDynamic(dim(op.getQuery(), 0)));
}

/// Adds what attention and its gradient may read besides: segments, and a bias, whose heads lie one below the
/// other, with as many rows each as there are queries, or one row if it is by distance.
template <typename Op>
static void addOptionalOperands(Op op, IterationSpace &space, function_ref<DimAccess(int64_t unit)> heads) {
  for (Value segments : {op.getSegments(), op.getKeySegments()})
    if (segments)
      space.operands.push_back({kWhole});
  if (op.getBias())
    space.operands.push_back({heads(rowsOfBias(op)), kWhole});
}

// Heads of keys, each with the heads of queries that read it. Queries as well where a query does not ask
// where it stands among the others.
IterationSpace AttentionOp::getIterationSpace() {
  const int64_t kvHeads = getKvHeads(), group = getHeads() / kvHeads;
  const int64_t keyWidth = dim(getKey(), 1), valueWidth = dim(getValue(), 1);
  const bool headsKnown = areHeadsKnown(*this);
  const bool rowsApart = !getCausal() && !getWindow() && !getAlibi() && !getSegments() && !getBias();
  IterationSpace space;
  auto heads = [&](int64_t unit) { return headsKnown ? by(0, unit) : kWhole; };
  DimAccess rows = rowsApart ? by(headsKnown) : kWhole;
  space.loops.assign(headsKnown + rowsApart, kParallel);
  space.operands = {{rows, heads(group * (keyWidth / kvHeads))},
                    {kWhole, heads(keyWidth / kvHeads)},
                    {kWhole, heads(valueWidth / kvHeads)}};
  addOptionalOperands(*this, space, heads);
  space.results = {{rows, heads(group * (valueWidth / kvHeads))}};
  return space;
}

/// Of a tile over heads of keys.
template <typename Op>
static LogicalResult adaptKeyHeads(Op op, const IterationSpace &space, ArrayRef<OpFoldResult> offsets,
                                   ArrayRef<OpFoldResult> sizes) {
  const std::optional<unsigned> loop = space.operands[1][1].loop; // that of keys' heads
  if (!loop || *loop >= sizes.size())
    return success();
  std::optional<int64_t> kvHeads = getConstantIntValue(sizes[*loop]),
                         first = getConstantIntValue(offsets[*loop]);
  if (!kvHeads || (op.getAlibi() && !first))
    return failure();
  const int64_t group = op.getHeads() / op.getKvHeads();
  op.setKvHeads(*kvHeads);
  op.setHeads(group * *kvHeads);
  if (std::optional<ArrayRef<double>> slopes = op.getAlibi())
    op.setAlibi(slopes->slice(group * *first, group * *kvHeads));
  return success();
}

LogicalResult AttentionOp::adaptToTile(const IterationSpace &space, ArrayRef<OpFoldResult> offsets,
                                       ArrayRef<OpFoldResult> sizes) {
  return adaptKeyHeads(*this, space, offsets, sizes);
}

// Heads of keys, each with the heads of queries that read it.
IterationSpace AttentionGradientOp::getIterationSpace() {
  const int64_t kvHeads = getKvHeads(), group = getHeads() / kvHeads;
  const int64_t keyWidth = dim(getKey(), 1), valueWidth = dim(getValue(), 1);
  const bool headsKnown = areHeadsKnown(*this);
  auto part = [&](int64_t unit) { return headsKnown ? by(0, unit) : kWhole; };
  auto heads = [&](int64_t unit) -> SmallVector<DimAccess, 2> { return {kWhole, part(unit)}; };
  const int64_t keySize = keyWidth / kvHeads, valueSize = valueWidth / kvHeads;
  IterationSpace space;
  space.loops.assign(headsKnown, kParallel);
  space.operands = {heads(group * keySize), heads(keySize), heads(valueSize), heads(group * valueSize)};
  addOptionalOperands(*this, space, part);
  space.results = {heads(group * keySize), heads(keySize), heads(valueSize)};
  if (getBias())
    space.results.push_back({part(rowsOfBias(*this)), kWhole});
  return space;
}

LogicalResult AttentionGradientOp::adaptToTile(const IterationSpace &space, ArrayRef<OpFoldResult> offsets,
                                               ArrayRef<OpFoldResult> sizes) {
  return adaptKeyHeads(*this, space, offsets, sizes);
}

IterationSpace EmptyCacheOp::getIterationSpace() { return {{}, {}, {{}}}; }

IterationSpace CachedAttentionOp::getIterationSpace() {
  IterationSpace space{{kParallel}, {{by(0), kWhole}, {}, {by(0)}}, {{by(0), kWhole}}};
  if (getBias())
    space.operands.push_back({kWhole, kWhole});
  return space;
}

// The cache is one value, which has all that a step appends.
IterationSpace CacheAppendOp::getIterationSpace() {
  return {{}, {{}, {kWhole, kWhole}, {kWhole, kWhole}, {kWhole}}, {{}}};
}

// Keys. Rows are heads and queries at once.
IterationSpace RelativePositionBiasOp::getIterationSpace() {
  return {{kParallel}, {{kWhole}, {by(0)}, {kWhole, kWhole}}, {{kWhole, by(0)}}};
}

IterationSpace ExpertsOp::getIterationSpace() {
  const SmallVector<DimAccess, 2> rows = {by(0), kWhole}, weight = {kWhole, kWhole};
  return {{kParallel}, {rows, rows, weight, weight, weight}, {rows}};
}

//===----------------------------------------------------------------------===//
// Layout and element types
//===----------------------------------------------------------------------===//

IterationSpace SplitOp::getIterationSpace() {
  IterationSpace space{{kParallel}, {{by(0), kWhole}}, {}};
  space.results.assign(getNumResults(), {by(0), kWhole});
  return space;
}

// All dimensions but the first, along which the inputs follow one another.
IterationSpace ConcatOp::getIterationSpace() {
  IterationSpace space;
  SmallVector<DimAccess, 2> dims = {kWhole};
  const unsigned rank = cast<RankedTensorType>(getResult().getType()).getRank();
  for (unsigned index = 1; index < rank; ++index)
    dims.push_back(by(index - 1, index + 1 == rank ? unitOf(getResult()) : 1));
  space.loops.assign(rank - 1, kParallel);
  space.operands.assign(getNumOperands(), dims);
  space.results = {dims};
  return space;
}

IterationSpace SelectRowsOp::getIterationSpace() {
  const int64_t unit = unitOf(getInput());
  return {{kParallel, kParallel}, {{kWhole, by(1, unit)}, {by(0)}}, {{by(0), by(1, unit)}}};
}

// Each row of the result may be any row's.
IterationSpace ScatterRowsOp::getIterationSpace() {
  return {{kParallel}, {{kWhole, by(0)}, {kWhole}}, {{kWhole, by(0)}}};
}

IterationSpace CrossEntropyOp::getIterationSpace() {
  return {{kParallel}, {{by(0), kWhole}, {by(0)}}, {{by(0), kWhole}}};
}

IterationSpace KlDivergenceOp::getIterationSpace() {
  return {{kParallel}, {{by(0), kWhole}, {by(0), kWhole}}, {{by(0), kWhole}}};
}

// Rows have their numbers with them; columns do not.
IterationSpace DropoutOp::getIterationSpace() {
  return {{kParallel}, {{by(0), kWhole}, {by(0)}, {kWhole}}, {{by(0), kWhole}}};
}

IterationSpace ConvertOp::getIterationSpace() {
  IterationSpace space;
  SmallVector<DimAccess, 2> dims;
  const unsigned rank = cast<RankedTensorType>(getResult().getType()).getRank();
  for (unsigned index = 0; index < rank; ++index)
    dims.push_back(by(index, index + 1 == rank ? std::max(unitOf(getInput()), unitOf(getResult())) : 1));
  space.loops.assign(rank, kParallel);
  space.operands = space.results = {dims};
  return space;
}
