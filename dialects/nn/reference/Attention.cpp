//===- Attention.cpp - nn.attention, nn.cached_attention and the cache -------------------------------===//

#include "dialects/nn/reference/Frame.h"
#include "dialects/nn/reference/Parallel.h"
#include "dialects/nn/reference/Rounding.h"
#include <cmath>
#include <limits>
#include <set>

using namespace mlir;
using namespace llmc::nn;
using namespace llmc::nn::reference;

namespace {

/// What both forms of attention have in common: heads, and how scores are made.
template <typename T> struct AttentionShape {
  int64_t heads, kvHeads;
  T scale;
  std::optional<int64_t> window;
  std::optional<T> softcap;
  ArrayRef<double> alibi;
  bool causal;

  template <typename Op>
  explicit AttentionShape(Op op)
      : heads(op.getHeads()), kvHeads(op.getKvHeads()),
        scale(static_cast<T>(op.getScale().convertToDouble())), window(op.getWindow()),
        alibi(op.getAlibi().value_or(ArrayRef<double>())), causal(op.getCausal()) {
    if (op.getSoftcap())
      softcap = static_cast<T>(op.getSoftcap()->convertToDouble());
  }

  /// Whether the query at position i may see the key at position j.
  bool isSeen(int64_t i, int64_t j) const { return (!causal || j <= i) && (!window || i - j < *window); }

  /// s[i, j] of head h without bias, where `product` is q[i] . k[j].
  T score(int64_t h, int64_t i, int64_t j, T product) const {
    T s = scale * product;
    if (softcap)
      s = *softcap * std::tanh(s / *softcap);
    if (!alibi.empty())
      s += static_cast<T>(alibi[h]) * static_cast<T>(j - i);
    return s;
  }

  /// The derivative of a score by its product.
  T slope(T product) const {
    if (!softcap)
      return scale;
    const T t = std::tanh(scale * product / *softcap);
    return scale * (1 - t * t);
  }
};

/// A key, its value and its score.
template <typename T> struct ScoredKey {
  T score;
  const T *value;
};

template <typename T> T dot(const T *a, const T *b, int64_t size) {
  T sum = 0;
  for (int64_t d = 0; d < size; ++d)
    sum += a[d] * b[d];
  return sum;
}

/// y = sum_j softmax_j(score)[j] * value[j] of size `size`; zero where there is no key.
template <typename T> void averageValues(ArrayRef<ScoredKey<T>> keys, int64_t size, T *y) {
  T largest = -std::numeric_limits<T>::infinity();
  for (const ScoredKey<T> &key : keys)
    largest = std::max(largest, key.score);
  std::vector<T> sums(size);
  T total = 0;
  for (const ScoredKey<T> &key : keys) {
    const T weight = std::exp(key.score - largest);
    total += weight;
    for (int64_t d = 0; d < size; ++d)
      sums[d] += weight * key.value[d];
  }
  for (int64_t d = 0; d < size; ++d)
    y[d] = keys.empty() ? T(0) : sums[d] / total;
}

/// Checks what the verifier can not where sizes are dynamic.
template <typename T, typename Op> LogicalResult checkSizes(Op op, Frame<T> &frame) {
  const Tensor<T> &query = frame.getTensor(op.getQuery()), &key = frame.getTensor(op.getKey());
  const Tensor<T> &value = frame.getTensor(op.getValue());
  const int64_t heads = op.getHeads(), kvHeads = op.getKvHeads();
  if (query.width() % heads != 0 || key.width() * heads != query.width() * kvHeads ||
      value.width() % kvHeads != 0)
    return op.emitOpError() << "has queries, keys and values of widths " << query.width() << ", "
                            << key.width() << " and " << value.width() << " for " << heads << " heads and "
                            << kvHeads << " key heads";
  if (key.rows() != value.rows())
    return op.emitOpError() << "has " << key.rows() << " keys but " << value.rows() << " values";
  if (op.getCausal() && query.rows() != key.rows())
    return op.emitOpError() << "is causal, but has " << query.rows() << " queries and " << key.rows()
                            << " keys";
  if (op.getSegments()) {
    const int64_t segments = frame.getIntegers(op.getSegments()).rows();
    const int64_t ofKeys = op.getKeySegments() ? frame.getIntegers(op.getKeySegments()).rows() : segments;
    if (segments != query.rows() || ofKeys != key.rows())
      return op.emitOpError() << "has " << segments << " segments for " << query.rows() << " queries and "
                              << ofKeys << " for " << key.rows() << " keys";
  }
  if (!op.getBias())
    return success();
  const Tensor<T> &bias = frame.getTensor(op.getBias());
  if (op.getByDistance() ? bias.rows() != heads || bias.width() % 2 == 0
                         : bias.rows() != heads * query.rows() || bias.width() != key.rows())
    return op.emitOpError() << "has a bias of " << bias.rows() << 'x' << bias.width()
                            << (op.getByDistance() ? " by distance for " : " for ") << heads << " heads, "
                            << query.rows() << " queries and " << key.rows() << " keys";
  return success();
}

/// Of attention and its gradient: which keys a query sees besides by its place, and the bias.
template <typename T> struct OptionalOperands {
  const IntegerTensor *segments = nullptr, *keySegments = nullptr;
  const Tensor<T> *bias = nullptr;
  bool isByDistance;
  int64_t queries;

  template <typename Op>
  OptionalOperands(Op op, Frame<T> &frame)
      : isByDistance(op.getByDistance()), queries(frame.getTensor(op.getQuery()).rows()) {
    if (op.getSegments())
      segments = keySegments = &frame.getIntegers(op.getSegments());
    if (op.getKeySegments())
      keySegments = &frame.getIntegers(op.getKeySegments());
    if (op.getBias())
      bias = &frame.getTensor(op.getBias());
  }

  bool areOfOneSegment(int64_t i, int64_t j) const {
    return !segments || segments->values[i] == keySegments->values[j];
  }

  /// Where in the bias that of head h is, of query i and key j.
  size_t biasIndex(int64_t h, int64_t i, int64_t j) const {
    if (!isByDistance)
      return (h * queries + i) * bias->width() + j;
    const int64_t reach = bias->width() / 2;
    return h * bias->width() + reach + std::clamp<int64_t>(j - i, -reach, reach);
  }
  T biasOf(int64_t h, int64_t i, int64_t j) const { return bias ? bias->values[biasIndex(h, i, j)] : T(0); }
};

template <typename T> LogicalResult evaluate(AttentionOp op, Frame<T> &frame) {
  if (failed(checkSizes(op, frame)))
    return failure();
  const AttentionShape<T> shape(op);
  const Tensor<T> &query = frame.getTensor(op.getQuery()), &key = frame.getTensor(op.getKey());
  const Tensor<T> &value = frame.getTensor(op.getValue());
  const OptionalOperands<T> others(op, frame);
  const int64_t headDim = query.width() / shape.heads, valueDim = value.width() / shape.kvHeads;
  Tensor<T> result({query.rows(), shape.heads * valueDim});
  double operations = 4.0 * query.values.size() * key.rows();
  parallelFor(shape.heads, operations, [&](int64_t h) {
    const int64_t kvHead = h / (shape.heads / shape.kvHeads);
    std::vector<ScoredKey<T>> seen;
    for (int64_t i = 0; i < query.rows(); ++i) {
      seen.clear();
      for (int64_t j = 0; j < key.rows(); ++j) {
        if (!shape.isSeen(i, j) || !others.areOfOneSegment(i, j))
          continue;
        T product = dot(query.row(i) + h * headDim, key.row(j) + kvHead * headDim, headDim);
        T score = shape.score(h, i, j, product) + others.biasOf(h, i, j);
        seen.push_back({score, value.row(j) + kvHead * valueDim});
      }
      averageValues<T>(seen, valueDim, result.row(i) + h * valueDim);
    }
  });
  return frame.setComputed(op.getResult(), std::move(result));
}

/// Weights P of one query's softmax and their gradients: dl = P (dP - sum P dP), where dP = gradient . value.
template <typename T> LogicalResult evaluate(AttentionGradientOp op, Frame<T> &frame) {
  if (failed(checkSizes(op, frame)))
    return failure();
  const AttentionShape<T> shape(op);
  const Tensor<T> &query = frame.getTensor(op.getQuery()), &key = frame.getTensor(op.getKey());
  const Tensor<T> &value = frame.getTensor(op.getValue()), &gradient = frame.getTensor(op.getGradient());
  const OptionalOperands<T> others(op, frame);
  const int64_t size = query.width() / shape.heads, valueSize = value.width() / shape.kvHeads;
  if (gradient.rows() != query.rows() || gradient.width() != shape.heads * valueSize)
    return op.emitOpError() << "has a gradient of " << gradient.rows() << 'x' << gradient.width()
                            << ", expected " << query.rows() << 'x' << shape.heads * valueSize;
  Tensor<T> ofQuery(query.shape), ofKey(key.shape), ofValue(value.shape), ofBias;
  if (others.bias)
    ofBias = Tensor<T>(others.bias->shape);
  parallelFor(shape.kvHeads, 10.0 * query.values.size() * key.rows(), [&](int64_t kvHead) {
    const int64_t group = shape.heads / shape.kvHeads;
    std::vector<T> products(key.rows()), weights(key.rows()), ofWeights(key.rows());
    for (int64_t h = kvHead * group; h < (kvHead + 1) * group; ++h)
      for (int64_t i = 0; i < query.rows(); ++i) {
        const T *q = query.row(i) + h * size, *dy = gradient.row(i) + h * valueSize;
        auto isSeen = [&](int64_t j) { return shape.isSeen(i, j) && others.areOfOneSegment(i, j); };
        T largest = -std::numeric_limits<T>::infinity(), total = 0, mean = 0;
        for (int64_t j = 0; j < key.rows(); ++j)
          if (isSeen(j)) {
            products[j] = dot(q, key.row(j) + kvHead * size, size);
            weights[j] = shape.score(h, i, j, products[j]) + others.biasOf(h, i, j);
            largest = std::max(largest, weights[j]);
          }
        for (int64_t j = 0; j < key.rows(); ++j)
          if (isSeen(j))
            total += weights[j] = std::exp(weights[j] - largest);
        for (int64_t j = 0; j < key.rows(); ++j)
          if (isSeen(j)) {
            weights[j] /= total;
            ofWeights[j] = dot(dy, value.row(j) + kvHead * valueSize, valueSize);
            mean += weights[j] * ofWeights[j];
          }
        for (int64_t j = 0; j < key.rows(); ++j) {
          if (!isSeen(j))
            continue;
          const T ofScore = weights[j] * (ofWeights[j] - mean);
          if (others.bias)
            ofBias.values[others.biasIndex(h, i, j)] += ofScore;
          const T slope = shape.slope(products[j]) * ofScore;
          for (int64_t d = 0; d < size; ++d) {
            ofQuery.row(i)[h * size + d] += slope * key.row(j)[kvHead * size + d];
            ofKey.row(j)[kvHead * size + d] += slope * q[d];
          }
          for (int64_t d = 0; d < valueSize; ++d)
            ofValue.row(j)[kvHead * valueSize + d] += weights[j] * dy[d];
        }
      }
  });
  return success(succeeded(frame.setComputed(op.getQueryGradient(), std::move(ofQuery))) &&
                 succeeded(frame.setComputed(op.getKeyGradient(), std::move(ofKey))) &&
                 succeeded(frame.setComputed(op.getValueGradient(), std::move(ofValue))) &&
                 (!others.bias || succeeded(frame.setComputed(op.getBiasGradient(), std::move(ofBias)))));
}

template <typename T> LogicalResult evaluate(CachedAttentionOp op, Frame<T> &frame) {
  const AttentionShape<T> shape(op);
  const Tensor<T> &query = frame.getTensor(op.getQuery());
  const KvCache<T> &cache = frame.getCache(op.getCache());
  const IntegerTensor &positions = frame.getIntegers(op.getPositions());
  const int64_t headDim = cache.headDim;
  if (query.rows() != positions.rows())
    return op.emitOpError() << "has " << query.rows() << " queries but " << positions.rows() << " positions";
  if (query.width() != shape.heads * headDim)
    return op.emitOpError() << "has queries of width " << query.width() << " for " << shape.heads
                            << " heads of " << headDim;
  const Tensor<T> *bias = op.getBias() ? &frame.getTensor(op.getBias()) : nullptr;
  if (bias && (bias->rows() != shape.heads || bias->width() % 2 == 0))
    return op.emitOpError() << "has a bias of " << bias->rows() << 'x' << bias->width()
                            << ", expected one of " << shape.heads << " heads and an odd number of distances";
  const int64_t reach = bias ? bias->width() / 2 : 0;
  Tensor<T> result(query.shape);
  double operations = 4.0 * query.values.size() * cache.rows.size();
  parallelFor(shape.heads, operations, [&](int64_t h) {
    const int64_t kvHead = h / (shape.heads / shape.kvHeads);
    std::vector<ScoredKey<T>> seen;
    for (int64_t t = 0; t < query.rows(); ++t) {
      seen.clear();
      const int64_t i = positions.values[t];
      for (const auto &[j, row] : cache.rows) {
        if (!shape.isSeen(i, j))
          continue;
        T product = dot(query.row(t) + h * headDim, row->key.data() + kvHead * headDim, headDim);
        T score = shape.score(h, i, j, product);
        if (bias)
          score += bias->row(h)[reach + std::clamp<int64_t>(j - i, -reach, reach)];
        seen.push_back({score, row->value.data() + kvHead * headDim});
      }
      averageValues<T>(seen, headDim, result.row(t) + h * headDim);
    }
  });
  return frame.setComputed(op.getResult(), std::move(result));
}

template <typename T> LogicalResult evaluate(EmptyCacheOp op, Frame<T> &frame) {
  KvCacheType type = op.getResult().getType();
  KvCache<T> cache;
  cache.heads = type.getHeads();
  cache.headDim = type.getHeadDim();
  return frame.set(op.getResult(), std::move(cache));
}

template <typename T> LogicalResult evaluate(CacheAppendOp op, Frame<T> &frame) {
  KvCache<T> cache = frame.getCache(op.getCache());
  const Tensor<T> &key = frame.getTensor(op.getKey()), &value = frame.getTensor(op.getValue());
  const IntegerTensor &positions = frame.getIntegers(op.getPositions());
  const int64_t width = cache.heads * cache.headDim;
  if (key.rows() != positions.rows() || value.rows() != positions.rows())
    return op.emitOpError() << "has " << key.rows() << " keys and " << value.rows() << " values for "
                            << positions.rows() << " positions";
  if (key.width() != width || value.width() != width)
    return op.emitOpError() << "has keys and values of widths " << key.width() << " and " << value.width()
                            << " for a cache of width " << width;
  std::set<int32_t> written;
  for (int64_t t = 0; t < positions.rows(); ++t) {
    const int32_t position = positions.values[t];
    if (position < 0 || !written.insert(position).second)
      return op.emitOpError() << "writes position " << position
                              << (position < 0 ? ", which is negative" : " twice in one step");
    typename KvCache<T>::Row row;
    row.key.assign(key.row(t), key.row(t) + width);
    row.value.assign(value.row(t), value.row(t) + width);
    for (std::vector<T> *numbers : {&row.key, &row.value})
      if (llvm::Error error = roundTo<T>(op.getCache().getType().getElementType(), cache.headDim, *numbers))
        return op.emitOpError() << "writes position " << position << ": " << llvm::toString(std::move(error));
    cache.rows[position] = std::make_shared<const typename KvCache<T>::Row>(std::move(row));
  }
  return frame.set(op.getResult(), std::move(cache));
}

} // namespace

LogicalResult AttentionOp::evaluateF32(Frame<float> &frame) { return evaluate(*this, frame); }
LogicalResult AttentionOp::evaluateF64(Frame<double> &frame) { return evaluate(*this, frame); }
LogicalResult AttentionGradientOp::evaluateF32(Frame<float> &frame) { return evaluate(*this, frame); }
LogicalResult AttentionGradientOp::evaluateF64(Frame<double> &frame) { return evaluate(*this, frame); }
LogicalResult CachedAttentionOp::evaluateF32(Frame<float> &frame) { return evaluate(*this, frame); }
LogicalResult CachedAttentionOp::evaluateF64(Frame<double> &frame) { return evaluate(*this, frame); }
LogicalResult EmptyCacheOp::evaluateF32(Frame<float> &frame) { return evaluate(*this, frame); }
LogicalResult EmptyCacheOp::evaluateF64(Frame<double> &frame) { return evaluate(*this, frame); }
LogicalResult CacheAppendOp::evaluateF32(Frame<float> &frame) { return evaluate(*this, frame); }
LogicalResult CacheAppendOp::evaluateF64(Frame<double> &frame) { return evaluate(*this, frame); }
