//===- NNRelativePositionBias.cpp - a learned bias for each distance ---------------------------------===//
//
// A distance belongs to one bucket, and buckets are ranges of distances. As structured operations, the bias
// is the sum over all buckets of their numbers, where all but one count as zero; and a bucket's gradient is
// the sum of those of its distances. Tables are small, and so are they where the bias is by distance.
//
//===------------------------------------------------------------------------------------------------===//

#include "dialects/nn/FormulaBuilder.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include <cmath>

using namespace mlir;
using namespace llmc::nn;

LogicalResult RelativePositionBiasOp::verify() {
  auto table = cast<RankedTensorType>(getTable().getType());
  const int64_t buckets = table.getDimSize(0), heads = table.getDimSize(1);
  const int64_t least = getBidirectional() ? 4 : 2;
  if (ShapedType::isDynamic(buckets) || ShapedType::isDynamic(heads) || buckets < least ||
      buckets % least != 0)
    return emitOpError() << "has a table of " << table << ", expected [buckets, heads] with a multiple of "
                         << least << " buckets";
  if (static_cast<int64_t>(getMaxDistance()) <= buckets / least)
    return emitOpError() << "has max_distance " << getMaxDistance() << ", expected more than the "
                         << buckets / least << " distances that have a bucket each";
  return success();
}

int64_t RelativePositionBiasOp::getBucket(int64_t distance) {
  int64_t buckets = getTable().getType().getDimSize(0), first = 0;
  if (getBidirectional()) {
    buckets /= 2;
    first = distance < 0 ? buckets : 0; // keys behind the query
    distance = std::abs(distance);
  } else {
    distance = std::max<int64_t>(distance, 0);
  }
  const int64_t exact = buckets / 2;
  if (distance < exact)
    return first + distance;
  // The logarithm is taken in f32, as the model was trained.
  float scaled = std::log(static_cast<float>(distance) / static_cast<float>(exact)) /
                 static_cast<float>(std::log(static_cast<double>(getMaxDistance()) / exact));
  return first +
         std::min(buckets - 1, exact + static_cast<int64_t>(scaled * static_cast<float>(buckets - exact)));
}

Value RelativePositionBiasOp::buildBiasByDistance(OpBuilder &builder) {
  const auto reach = static_cast<int32_t>(getMaxDistance());
  auto constant = [&](ArrayRef<int32_t> numbers) -> Value {
    return arith::ConstantOp::create(builder, getLoc(), builder.getI32TensorAttr(numbers));
  };
  const int32_t origin = 0;
  Value here = constant(origin);
  Value around = constant(llvm::to_vector(llvm::seq_inclusive<int32_t>(-reach, reach)));
  auto type = RankedTensorType::get({getTable().getType().getDimSize(1), 2 * reach + 1},
                                    getResult().getType().getElementType());
  return RelativePositionBiasOp::create(builder, getLoc(), type, here, around, getTable(),
                                        getMaxDistanceAttr(), getBidirectionalAttr());
}

namespace {

/// The loops: buckets, heads, queries, keys.
enum Loop : unsigned { B, H, I, J };

/// Positions of queries or keys, along a loop. Those of a constant that counts up are not read: they follow
/// from the loop.
class Positions {
public:
  Positions(Value positions, Loop loop) : loop(loop) {
    DenseIntElementsAttr numbers;
    if (matchPattern(positions, m_Constant(&numbers))) {
      int64_t index = 0;
      const int32_t begin = numbers.empty() ? 0 : *numbers.value_begin<int32_t>();
      if (llvm::all_of(numbers.getValues<int32_t>(),
                       [&](int32_t number) { return number == begin + index++; }))
        first = begin;
    }
    if (!first)
      read = positions;
  }

  void addTo(SmallVectorImpl<Value> &inputs, SmallVectorImpl<AffineMap> &maps) const {
    if (!read)
      return;
    inputs.push_back(read);
    maps.push_back(AffineMap::getMultiDimMapWithTargets(4, loop, read.getContext()));
  }

  /// The position at this place of the loop. Takes what it reads from the front of `numbers`.
  Value take(ImplicitLocOpBuilder &body, ArrayRef<Number> &numbers) const {
    if (read) {
      Value position = numbers.front().value;
      numbers = numbers.drop_front();
      return position;
    }
    Value index =
        arith::IndexCastOp::create(body, body.getI32Type(), linalg::IndexOp::create(body, unsigned(loop)));
    return arith::AddIOp::create(body, index, arith::ConstantIntOp::create(body, *first, 32));
  }

private:
  Loop loop;
  Value read;                   ///< or null
  std::optional<int32_t> first; ///< of a constant that counts up
};

/// What forward and backward part have in common.
class BucketSums {
public:
  BucketSums(RelativePositionBiasOp op, OpBuilder &builder)
      : op(op), b(builder, op), queries(op.getQueryPositions(), I), keys(op.getKeyPositions(), J) {}

  FormulaBuilder &builder() { return b; }

  /// The sum of `input`, whose dimensions go through the loops `dims`, over all loops but those of the
  /// result, where the loop over buckets is at that of the distance.
  Value sum(Value input, FormulaBuilder::Dims dims, FormulaBuilder::Dims result,
            ArrayRef<OpFoldResult> sizes) {
    SmallVector<Value> inputs = {input};
    SmallVector<AffineMap> maps = {AffineMap::getMultiDimMapWithTargets(4, dims, op.getContext())};
    queries.addTo(inputs, maps);
    keys.addTo(inputs, maps);
    return b.compute(inputs, maps, result, sizes, [&](ArrayRef<Number> numbers) {
      Number number = numbers.front();
      numbers = numbers.drop_front();
      ImplicitLocOpBuilder &body = *number.builder;
      Value query = queries.take(body, numbers), key = keys.take(body, numbers);
      Value bucket = bucketOf(body, arith::SubIOp::create(body, query, key));
      Value here =
          arith::IndexCastOp::create(body, body.getI32Type(), linalg::IndexOp::create(body, unsigned(B)));
      Value isHere = arith::CmpIOp::create(body, arith::CmpIPredicate::eq, bucket, here);
      return Number{&body, arith::SelectOp::create(body, isHere, number.value, constant(number, 0).value)};
    });
  }

private:
  /// The bucket of `distance`: ranges by where they begin.
  Value bucketOf(ImplicitLocOpBuilder &body, Value distance) {
    auto number = [&](int64_t value) -> Value { return arith::ConstantIntOp::create(body, value, 32); };
    const auto furthest = static_cast<int64_t>(op.getMaxDistance()) + 1;
    int64_t last = op.getBucket(-furthest);
    Value bucket = number(last);
    for (int64_t begin = -furthest + 1; begin <= furthest; ++begin) {
      const int64_t next = op.getBucket(begin);
      if (next == last)
        continue;
      Value isIn = arith::CmpIOp::create(body, arith::CmpIPredicate::sge, distance, number(begin));
      bucket = arith::SelectOp::create(body, isIn, number(next), bucket);
      last = next;
    }
    return bucket;
  }

  RelativePositionBiasOp op;
  FormulaBuilder b;
  const Positions queries, keys;
};

} // namespace

FailureOr<SmallVector<Value>> RelativePositionBiasOp::decomposeOperation(OpBuilder &builder) {
  BucketSums sums(*this, builder);
  ImplicitLocOpBuilder &b = sums.builder().b;
  SmallVector<OpFoldResult> sizes = {tensor::getMixedSize(b, getLoc(), getTable(), 1),
                                     tensor::getMixedSize(b, getLoc(), getQueryPositions(), 0),
                                     tensor::getMixedSize(b, getLoc(), getKeyPositions(), 0)};
  Value bias = sums.sum(getTable(), {B, H}, {H, I, J}, sizes);
  return SmallVector<Value>{sums.builder().as(getResult(), sums.builder().collapse(bias, 0, 2))};
}

FailureOr<SmallVector<Value>> RelativePositionBiasOp::buildGradients(OpBuilder &builder, ValueRange gradients,
                                                                     const llvm::SmallBitVector &wanted) {
  SmallVector<Value> results(getNumOperands());
  if (!gradients[0] || !wants(*this, wanted, 2))
    return results;
  BucketSums sums(*this, builder);
  const int64_t heads = getTable().getType().getDimSize(1);
  Value ofBias = sums.builder().expand(gradients[0], 0, {heads, getQueryPositions().getType().getDimSize(0)});
  ImplicitLocOpBuilder &b = sums.builder().b;
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, getLoc(), getTable());
  results[2] = sums.builder().as(getTable(), sums.sum(ofBias, {H, I, J}, {B, H}, sizes));
  return results;
}
