//===- NNCost.cpp - cost and fusion role of each operation --------------------------------------------===//

#include "dialects/nn/NN.h"

using namespace mlir;
using namespace llmc::nn;

namespace {

double bitsPerElement(Type element) {
  if (auto block = dyn_cast<BlockType>(element))
    return 8.0 * block.getBlockBytes() / block.getBlockSize();
  return element.getIntOrFloatBitWidth();
}

/// Bytes of a value of a step with `rows` tokens: dynamic sizes are tokens.
double bytesOf(Value value, int64_t rows) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type)
    return 0;
  double elements = 1;
  for (int64_t size : type.getShape())
    elements *= ShapedType::isDynamic(size) ? rows : size;
  return elements * bitsPerElement(type.getElementType()) / 8;
}

double elementsOf(Value value, int64_t rows) {
  auto type = cast<RankedTensorType>(value.getType());
  double elements = 1;
  for (int64_t size : type.getShape())
    elements *= ShapedType::isDynamic(size) ? rows : size;
  return elements;
}

/// Traffic of all operands and results, and `flopsPerElement` for each element of the first result.
OpCost streamingCost(Operation *op, int64_t rows, double flopsPerElement) {
  OpCost cost;
  if (op->getNumResults() && isa<RankedTensorType>(op->getResult(0).getType()))
    cost.flops = flopsPerElement * elementsOf(op->getResult(0), rows);
  for (Value operand : op->getOperands())
    (isParameter(operand) ? cost.parameterBytes : cost.activationBytes) += bytesOf(operand, rows);
  for (Value result : op->getResults())
    cost.activationBytes += bytesOf(result, rows);
  return cost;
}

double kvBytes(KvCacheType cache, double positions) {
  return 2 * positions * cache.getHeads() * cache.getHeadDim() * bitsPerElement(cache.getElementType()) / 8;
}

/// Positions that a query reads of a cache that holds `context`.
double positionsSeen(CachedAttentionOp op, int64_t context) {
  return op.getWindow() ? std::min<double>(*op.getWindow(), context) : context;
}

/// Traffic of the caches that `op` reads or writes.
double cacheBytes(Operation *op, int64_t rows, int64_t context) {
  if (auto attention = dyn_cast<CachedAttentionOp>(op))
    return kvBytes(attention.getCache().getType(), positionsSeen(attention, context));
  if (auto append = dyn_cast<CacheAppendOp>(op))
    return kvBytes(append.getCache().getType(), rows);
  return 0;
}

/// Bytes of a bias `[heads * queries, keys]`, whose type may leave both sizes open.
double biasBytes(Value bias, double heads, double queries, double keys) {
  return heads * queries * keys * bitsPerElement(cast<RankedTensorType>(bias.getType()).getElementType()) / 8;
}

double rowsOf(Value value, int64_t rows) {
  const int64_t size = cast<RankedTensorType>(value.getType()).getDimSize(0);
  return ShapedType::isDynamic(size) ? rows : size;
}

/// Pairs of a query and a key that it sees by `causal` and `window`. Segments are data: one is assumed.
template <typename Op> double pairsSeen(Op op, int64_t queries, int64_t keys) {
  double pairs = 0;
  for (int64_t query = 0; query < queries; ++query) {
    const int64_t end = op.getCausal() ? std::min(query + 1, keys) : keys;
    const int64_t begin = op.getWindow() ? std::max<int64_t>(0, query + 1 - *op.getWindow()) : 0;
    pairs += std::max<int64_t>(0, end - begin);
  }
  return pairs;
}

} // namespace

OpCost EmbeddingOp::getCost(int64_t rows, int64_t) {
  OpCost cost;
  double bits = bitsPerElement(cast<RankedTensorType>(getTable().getType()).getElementType());
  cost.parameterBytes = std::min(elementsOf(getResult(), rows) * bits / 8, bytesOf(getTable(), rows));
  cost.activationBytes = bytesOf(getIds(), rows) + bytesOf(getResult(), rows);
  return cost;
}

OpCost LinearOp::getCost(int64_t rows, int64_t) {
  auto weight = cast<RankedTensorType>(getWeight().getType());
  OpCost cost = streamingCost(*this, rows, getBias() ? 1 : 0);
  cost.flops += 2.0 * elementsOf(getInput(), rows) * weight.getDimSize(0);
  return cost;
}

OpCost RmsNormOp::getCost(int64_t rows, int64_t) { return streamingCost(*this, rows, 4); }
OpCost LayerNormOp::getCost(int64_t rows, int64_t) { return streamingCost(*this, rows, 8); }
OpCost SiluOp::getCost(int64_t rows, int64_t) { return streamingCost(*this, rows, 4); }
OpCost GeluOp::getCost(int64_t rows, int64_t) { return streamingCost(*this, rows, 8); }
OpCost ReluOp::getCost(int64_t rows, int64_t) { return streamingCost(*this, rows, 1); }
OpCost ScaleOp::getCost(int64_t rows, int64_t) { return streamingCost(*this, rows, 1); }
OpCost SoftcapOp::getCost(int64_t rows, int64_t) { return streamingCost(*this, rows, 4); }
OpCost RopeOp::getCost(int64_t rows, int64_t) { return streamingCost(*this, rows, 3); }
OpCost RopeTableOp::getCost(int64_t rows, int64_t) { return streamingCost(*this, rows, 20); }
OpCost RotateOp::getCost(int64_t rows, int64_t) { return streamingCost(*this, rows, 3); }
OpCost EmptyCacheOp::getCost(int64_t, int64_t) { return {}; }
OpCost SplitOp::getCost(int64_t, int64_t) { return {}; }
OpCost ConcatOp::getCost(int64_t, int64_t) { return {}; }
OpCost SelectRowsOp::getCost(int64_t rows, int64_t) {
  OpCost cost;
  // Only the rows that are kept are read.
  cost.activationBytes = bytesOf(getRows(), rows) + 2 * bytesOf(getResult(), rows);
  return cost;
}
OpCost ScatterRowsOp::getCost(int64_t rows, int64_t) { return streamingCost(*this, rows, 1); }
OpCost CrossEntropyOp::getCost(int64_t rows, int64_t) {
  OpCost cost = streamingCost(*this, rows, 0);
  cost.flops = 4 * elementsOf(getLogits(), rows);
  return cost;
}
OpCost KlDivergenceOp::getCost(int64_t rows, int64_t) {
  OpCost cost = streamingCost(*this, rows, 0);
  cost.flops = 12 * elementsOf(getLogits(), rows);
  return cost;
}
// Ten rounds of two products, four exclusive ors and two sums, for each element.
OpCost DropoutOp::getCost(int64_t rows, int64_t) { return streamingCost(*this, rows, 80); }
OpCost ConvertOp::getCost(int64_t rows, int64_t) {
  return isParameter(getInput()) ? OpCost() : streamingCost(*this, rows, 2);
}

OpCost AttentionOp::getCost(int64_t rows, int64_t) {
  OpCost cost = streamingCost(*this, rows, 0);
  const double queries = rowsOf(getQuery(), rows), keys = rowsOf(getKey(), rows);
  // Each pair multiplies a query with a key and a weight with a value, in all heads.
  const double perPair = (2 * elementsOf(getQuery(), rows) + 2 * elementsOf(getResult(), rows)) / queries;
  cost.flops = perPair * pairsSeen(*this, queries, keys);
  if (Value bias = getBias(); bias && !getByDistance())
    cost.activationBytes += biasBytes(bias, getHeads(), queries, keys) - bytesOf(bias, rows);
  return cost;
}

// Five products of the size of the forward pass's two.
OpCost AttentionGradientOp::getCost(int64_t rows, int64_t) {
  OpCost cost = streamingCost(*this, rows, 0);
  const double queries = rowsOf(getQuery(), rows), keys = rowsOf(getKey(), rows);
  const double perPair = (6 * elementsOf(getQuery(), rows) + 4 * elementsOf(getGradient(), rows)) / queries;
  cost.flops = perPair * pairsSeen(*this, queries, keys);
  if (Value bias = getBias(); bias && !getByDistance()) // read, and its gradient written
    cost.activationBytes += 2 * (biasBytes(bias, getHeads(), queries, keys) - bytesOf(bias, rows));
  return cost;
}

OpCost CachedAttentionOp::getCost(int64_t rows, int64_t context) {
  OpCost cost = streamingCost(*this, rows, 0);
  cost.flops = 4 * elementsOf(getQuery(), rows) * positionsSeen(*this, context);
  cost.activationBytes += cacheBytes(*this, rows, context);
  return cost;
}

OpCost RelativePositionBiasOp::getCost(int64_t rows, int64_t) {
  OpCost cost = streamingCost(*this, rows, 0);
  const double heads = cast<RankedTensorType>(getTable().getType()).getDimSize(1);
  cost.activationBytes +=
      biasBytes(getResult(), heads, rowsOf(getQueryPositions(), rows), rowsOf(getKeyPositions(), rows)) -
      bytesOf(getResult(), rows);
  return cost;
}

OpCost ExpertsOp::getCost(int64_t rows, int64_t) {
  OpCost cost = streamingCost(*this, rows, 0);
  const double share = static_cast<double>(getTopK()) / getExperts();
  const double weights =
      elementsOf(getGate(), rows) + elementsOf(getUp(), rows) + elementsOf(getDown(), rows);
  cost.flops = 2 * rows * weights * share;
  // Tokens choose different experts: few of them read few experts, many read all.
  cost.parameterBytes *= std::min(1.0, rows * share);
  return cost;
}

OpCost CacheAppendOp::getCost(int64_t rows, int64_t context) {
  OpCost cost = streamingCost(*this, rows, 0);
  cost.activationBytes += cacheBytes(*this, rows, context);
  return cost;
}

OpCost FusionOp::getCost(int64_t rows, int64_t context) {
  // What stays inside of the kernel costs no memory traffic.
  OpCost cost = streamingCost(*this, rows, 0);
  for (Operation &op : getBody().front()) {
    if (auto priced = dyn_cast<CostOpInterface>(op))
      cost.flops += priced.getCost(rows, context).flops;
    cost.activationBytes += cacheBytes(&op, rows, context);
  }
  return cost;
}

FusionRole LoadOp::getFusionRole() { return FusionRole::Parameter; }
FusionRole EmbeddingOp::getFusionRole() { return FusionRole::Gather; }
FusionRole LinearOp::getFusionRole() { return FusionRole::Contraction; }
FusionRole RmsNormOp::getFusionRole() { return FusionRole::RowWise; }
FusionRole LayerNormOp::getFusionRole() { return FusionRole::RowWise; }
FusionRole SiluOp::getFusionRole() { return FusionRole::Elementwise; }
FusionRole GeluOp::getFusionRole() { return FusionRole::Elementwise; }
FusionRole ReluOp::getFusionRole() { return FusionRole::Elementwise; }
FusionRole ScaleOp::getFusionRole() { return FusionRole::Elementwise; }
FusionRole SoftcapOp::getFusionRole() { return FusionRole::Elementwise; }
FusionRole RopeOp::getFusionRole() { return FusionRole::Elementwise; }
FusionRole RopeTableOp::getFusionRole() { return FusionRole::RowWise; }
FusionRole RotateOp::getFusionRole() { return FusionRole::Elementwise; }
FusionRole EmptyCacheOp::getFusionRole() { return FusionRole::Store; }
FusionRole RelativePositionBiasOp::getFusionRole() { return FusionRole::Gather; }
FusionRole ExpertsOp::getFusionRole() { return FusionRole::Attention; }
FusionRole AttentionOp::getFusionRole() { return FusionRole::Attention; }
FusionRole CachedAttentionOp::getFusionRole() { return FusionRole::Attention; }
FusionRole CacheAppendOp::getFusionRole() { return FusionRole::Store; }
FusionRole SplitOp::getFusionRole() { return FusionRole::Layout; }
FusionRole ConcatOp::getFusionRole() { return FusionRole::Layout; }
FusionRole SelectRowsOp::getFusionRole() { return FusionRole::Gather; }
FusionRole ScatterRowsOp::getFusionRole() { return FusionRole::Gather; }
FusionRole CrossEntropyOp::getFusionRole() { return FusionRole::RowWise; }
FusionRole KlDivergenceOp::getFusionRole() { return FusionRole::RowWise; }
FusionRole DropoutOp::getFusionRole() { return FusionRole::Elementwise; }
FusionRole AttentionGradientOp::getFusionRole() { return FusionRole::Attention; }
FusionRole ConvertOp::getFusionRole() {
  return isParameter(getInput()) ? FusionRole::Parameter : FusionRole::RowWise;
}
