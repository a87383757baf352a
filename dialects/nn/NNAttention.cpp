//===- NNAttention.cpp - verifiers of attention, rotary embedding and caches -------------------------===//

#include "dialects/nn/NN.h"
#include <cmath>
#include <limits>

using namespace mlir;
using namespace llmc::nn;

namespace {

int64_t width(Value value) { return cast<ShapedType>(value.getType()).getDimSize(1); }
int64_t rows(Value value) { return cast<ShapedType>(value.getType()).getDimSize(0); }

/// A number of a rope_scaling that may be absent.
double valueOf(FloatAttr attribute) { return attribute ? attribute.getValueAsDouble() : 1.0; }
double contextOf(RopeScalingAttr scaling) {
  return scaling.getTrainedContext() ? static_cast<double>(scaling.getTrainedContext().getInt()) : 0.0;
}

bool compatible(int64_t a, int64_t b) {
  return ShapedType::isDynamic(a) || ShapedType::isDynamic(b) || a == b;
}

/// What both forms of attention demand of their heads.
template <typename AttentionLike> LogicalResult verifyHeads(AttentionLike op) {
  int64_t heads = op.getHeads(), kvHeads = op.getKvHeads();
  if (heads <= 0 || kvHeads <= 0)
    return op.emitOpError() << "needs positive numbers of heads, but has " << heads << " and " << kvHeads;
  if (heads % kvHeads != 0)
    return op.emitOpError() << "has " << heads << " query heads, which is not a multiple of its " << kvHeads
                            << " key heads";
  int64_t queryWidth = width(op.getQuery());
  if (!ShapedType::isDynamic(queryWidth) && queryWidth % heads != 0)
    return op.emitOpError() << "has queries of width " << queryWidth << ", which is not a multiple of its "
                            << heads << " heads";
  if (op.getWindow()) { // positions have 32 bits
    const auto window = static_cast<int64_t>(*op.getWindow());
    if (window <= 0)
      return op.emitOpError() << "needs a positive window, but has " << window;
    if (window > std::numeric_limits<int32_t>::max())
      return op.emitOpError() << "has a window of " << window << ", expected at most "
                              << std::numeric_limits<int32_t>::max();
  }
  if (op.getSoftcap() && !(op.getSoftcap()->convertToDouble() > 0))
    return op.emitOpError() << "needs a positive softcap";
  if (op.getAlibi() && static_cast<int64_t>(op.getAlibi()->size()) != heads)
    return op.emitOpError() << "has " << op.getAlibi()->size() << " alibi slopes for " << heads << " heads";
  return success();
}

/// Of a bias of each distance up to a reach.
template <typename AttentionLike> LogicalResult verifyBiasByDistance(AttentionLike op) {
  const int64_t distances = width(op.getBias());
  if (compatible(rows(op.getBias()), op.getHeads()) &&
      (ShapedType::isDynamic(distances) || distances % 2 == 1))
    return success();
  return op.emitOpError() << "has a bias of type " << op.getBias().getType()
                          << ", expected [heads, 2 * reach + 1] for " << op.getHeads() << " heads";
}

LogicalResult verifyScaling(Operation *op, std::optional<RopeScalingAttr> scaling, int64_t dims) {
  if (!scaling)
    return success();
  int64_t factors = scaling->getFactors() ? scaling->getFactors().size() : 0;
  if (scaling->getKind() == RopeScalingKind::Factors && factors != dims / 2)
    return op->emitOpError() << "has " << factors << " frequency factors for " << dims / 2 << " pairs";
  if (!(valueOf(scaling->getFactor()) > 0))
    return op->emitOpError() << "needs a positive scaling factor";
  bool needsContext =
      scaling->getKind() == RopeScalingKind::Llama3 || scaling->getKind() == RopeScalingKind::Yarn;
  if (needsContext && contextOf(*scaling) <= 0)
    return op->emitOpError() << "needs the trained context for its scaling";
  if (needsContext && valueOf(scaling->getHighFreq()) == valueOf(scaling->getLowFreq()))
    return op->emitOpError() << "needs low and high frequency factors that differ";
  return success();
}

} // namespace

LogicalResult RopeOp::verify() {
  int64_t heads = getHeads(), dims = getDims(), inputWidth = width(getInput());
  if (heads <= 0 || (!ShapedType::isDynamic(inputWidth) && inputWidth % heads != 0))
    return emitOpError() << "has an input of width " << inputWidth << ", which is not a multiple of its "
                         << heads << " heads";
  if (dims <= 0 || dims % 2 != 0)
    return emitOpError() << "rotates " << dims << " dimensions, expected a positive even number";
  if (!ShapedType::isDynamic(inputWidth) && dims > inputWidth / heads)
    return emitOpError() << "rotates " << dims << " dimensions of heads of " << inputWidth / heads;
  if (!(getTheta().convertToDouble() > 0))
    return emitOpError() << "needs a positive theta";
  if (!compatible(rows(getInput()), rows(getPositions())))
    return emitOpError() << "has " << rows(getInput()) << " rows but " << rows(getPositions())
                         << " positions";
  return verifyScaling(*this, getScaling(), dims);
}

LogicalResult RopeTableOp::verify() {
  int64_t dims = getDims();
  if (dims <= 0 || dims % 2 != 0)
    return emitOpError() << "rotates " << dims << " dimensions, expected a positive even number";
  if (!(getTheta().convertToDouble() > 0))
    return emitOpError() << "needs a positive theta";
  return verifyScaling(*this, getScaling(), dims);
}

LogicalResult RotateOp::verify() {
  int64_t heads = getHeads(), inputWidth = width(getInput()), dims = getDims();
  if (heads <= 0 || (!ShapedType::isDynamic(inputWidth) && inputWidth % heads != 0))
    return emitOpError() << "has an input of width " << inputWidth << ", which is not a multiple of its "
                         << heads << " heads";
  if (ShapedType::isDynamic(dims) || dims % 2 != 0)
    return emitOpError() << "needs a table of a known and even width";
  if (!ShapedType::isDynamic(inputWidth) && dims > inputWidth / heads)
    return emitOpError() << "has a table of width " << dims << " for heads of " << inputWidth / heads;
  if (!compatible(rows(getInput()), rows(getTable())))
    return emitOpError() << "has " << rows(getInput()) << " rows but a table of " << rows(getTable());
  return success();
}

static SmallVector<double> computeFrequencies(int64_t dims, double theta,
                                              std::optional<RopeScalingAttr> scaling) {
  SmallVector<double> frequencies;
  for (int64_t i = 0; i < dims / 2; ++i)
    frequencies.push_back(std::pow(theta, -2.0 * i / dims));
  if (!scaling)
    return frequencies;
  const double factor = valueOf(scaling->getFactor()), context = contextOf(*scaling);
  const double lowFreq = valueOf(scaling->getLowFreq()), highFreq = valueOf(scaling->getHighFreq());
  switch (scaling->getKind()) {
  case RopeScalingKind::Linear:
    for (double &f : frequencies)
      f /= factor;
    break;
  case RopeScalingKind::Factors:
    for (auto [f, divisor] : llvm::zip(frequencies, scaling->getFactors().asArrayRef()))
      f /= divisor;
    break;
  case RopeScalingKind::Llama3:
    for (double &f : frequencies) {
      // Turns that the pair makes within the trained context: few turns are stretched, many are kept.
      double turns = context * f / (2 * M_PI);
      double kept = (turns - lowFreq) / (highFreq - lowFreq);
      kept = std::clamp(kept, 0.0, 1.0);
      f = (1 - kept) * f / factor + kept * f;
    }
    break;
  case RopeScalingKind::Yarn: {
    // The dimension whose pair makes `turns` turns in the trained context.
    auto dimensionOf = [&](double turns) {
      return dims * std::log(context / (turns * 2 * M_PI)) / (2 * std::log(theta));
    };
    double low = std::max(std::floor(dimensionOf(highFreq)), 0.0);
    double high = std::min(std::ceil(dimensionOf(lowFreq)), dims - 1.0);
    if (high == low)
      high += 0.001;
    for (auto [i, f] : llvm::enumerate(frequencies)) {
      double stretched = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
      f = (1 - stretched) * f + stretched * f / factor;
    }
    break;
  }
  }
  return frequencies;
}

static double computeMagnitude(std::optional<RopeScalingAttr> scaling) {
  return scaling ? valueOf(scaling->getAttentionFactor()) : 1.0;
}

SmallVector<double> RopeOp::getFrequencies() {
  return computeFrequencies(getDims(), getTheta().convertToDouble(), getScaling());
}
double RopeOp::getMagnitude() { return computeMagnitude(getScaling()); }
SmallVector<double> RopeTableOp::getFrequencies() {
  return computeFrequencies(getDims(), getTheta().convertToDouble(), getScaling());
}
double RopeTableOp::getMagnitude() { return computeMagnitude(getScaling()); }

/// What attention and its gradient demand of a bias.
template <typename Op> static LogicalResult verifyBias(Op op) {
  if (!op.getBias())
    return op.getByDistance() ? op.emitOpError() << "is by_distance, but has no bias" : success();
  const int64_t queries = rows(op.getQuery()), heads = op.getHeads();
  if (op.getByDistance())
    return verifyBiasByDistance(op);
  if (!compatible(rows(op.getBias()), ShapedType::isDynamic(queries) ? queries : heads * queries) ||
      !compatible(width(op.getBias()), rows(op.getKey())))
    return op.emitOpError() << "has a bias of type " << op.getBias().getType()
                            << ", expected [heads * queries, keys] for " << heads
                            << " heads, queries of type " << op.getQuery().getType() << " and keys of type "
                            << op.getKey().getType();
  return success();
}

/// What attention and its gradient demand of their operands.
template <typename Op> static LogicalResult verifyOperands(Op op) {
  if (failed(verifyHeads(op)))
    return failure();
  int64_t keyWidth = width(op.getKey()), valueWidth = width(op.getValue()), queryWidth = width(op.getQuery());
  if (!ShapedType::isDynamic(keyWidth) && !ShapedType::isDynamic(queryWidth) &&
      keyWidth * static_cast<int64_t>(op.getHeads()) != queryWidth * static_cast<int64_t>(op.getKvHeads()))
    return op.emitOpError() << "has keys of width " << keyWidth << ", but " << op.getKvHeads() << " heads of "
                            << queryWidth / static_cast<int64_t>(op.getHeads()) << " are expected";
  if (!ShapedType::isDynamic(valueWidth) && valueWidth % static_cast<int64_t>(op.getKvHeads()) != 0)
    return op.emitOpError() << "has values of width " << valueWidth << ", which is not a multiple of its "
                            << op.getKvHeads() << " key heads";
  if (!compatible(rows(op.getKey()), rows(op.getValue())))
    return op.emitOpError() << "has " << rows(op.getKey()) << " keys but " << rows(op.getValue())
                            << " values";
  if (op.getCausal() && !compatible(rows(op.getQuery()), rows(op.getKey())))
    return op.emitOpError() << "is causal, but has " << rows(op.getQuery()) << " queries and "
                            << rows(op.getKey()) << " keys";
  if (op.getKeySegments() && !op.getSegments())
    return op.emitOpError() << "has key_segments, but no segments of its queries";
  if (Value ofKeys = op.getKeySegments() ? op.getKeySegments() : op.getSegments();
      ofKeys && (!compatible(rows(op.getSegments()), rows(op.getQuery())) ||
                 !compatible(rows(ofKeys), rows(op.getKey()))))
    return op.emitOpError() << "has " << rows(op.getSegments()) << " segments for " << rows(op.getQuery())
                            << " queries and " << rows(ofKeys) << " for " << rows(op.getKey()) << " keys";
  return verifyBias(op);
}

LogicalResult AttentionGradientOp::verify() {
  if (failed(verifyOperands(*this)))
    return failure();
  const int64_t valueWidth = width(getValue());
  const auto group = static_cast<int64_t>(getHeads() / getKvHeads());
  if (!compatible(rows(getGradient()), rows(getQuery())) ||
      !compatible(width(getGradient()),
                  ShapedType::isDynamic(valueWidth) ? ShapedType::kDynamic : group * valueWidth))
    return emitOpError() << "has a gradient of type " << getGradient().getType()
                         << ", which no attention of its operands gives";
  return success();
}

LogicalResult AttentionOp::verify() { return verifyOperands(*this); }

LogicalResult CachedAttentionOp::verify() {
  if (failed(verifyHeads(*this)))
    return failure();
  KvCacheType cache = getCache().getType();
  if (cache.getHeads() != static_cast<int64_t>(getKvHeads()))
    return emitOpError() << "has " << getKvHeads() << " key heads but a cache of " << cache.getHeads();
  int64_t queryWidth = width(getQuery());
  if (!ShapedType::isDynamic(queryWidth) &&
      queryWidth / static_cast<int64_t>(getHeads()) != cache.getHeadDim())
    return emitOpError() << "has queries with heads of " << queryWidth / static_cast<int64_t>(getHeads())
                         << " but a cache with heads of " << cache.getHeadDim();
  if (!compatible(rows(getQuery()), rows(getPositions())))
    return emitOpError() << "has " << rows(getQuery()) << " queries but " << rows(getPositions())
                         << " positions";
  return getBias() ? verifyBiasByDistance(*this) : success();
}

LogicalResult CacheAppendOp::verify() {
  KvCacheType cache = getCache().getType();
  int64_t expected = cache.getHeads() * cache.getHeadDim();
  for (auto [value, name] : {std::pair<Value, StringRef>{getKey(), "keys"}, {getValue(), "values"}}) {
    if (!compatible(width(value), expected))
      return emitOpError() << "has " << name << " of width " << width(value) << ", but the cache has "
                           << cache.getHeads() << " heads of " << cache.getHeadDim();
    if (!compatible(rows(value), rows(getPositions())))
      return emitOpError() << "has " << rows(value) << ' ' << name << " but " << rows(getPositions())
                           << " positions";
  }
  return success();
}
