//===- NNAttentionGradient.cpp - gradients of attention ----------------------------------------------===//
//
// With c = scale q k, logits l = softcap(c) + alibi + bias where a key is seen, P = softmax(l) and y = P v:
//
//     dv = P^T dy,   dP = dy v^T,   dl = P * (dP - sum_j P dP),   dbias = dl,
//     dc = dl * softcap'(c),   dq = scale dc k,   dk = scale dc^T q
//
// as matrices of scores. That they need not be stored is what fusion finds.
//
//===------------------------------------------------------------------------------------------------===//

#include "dialects/nn/FormulaBuilder.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

using namespace mlir;
using namespace llmc::nn;

namespace {

// Loops of scores: heads of keys, query heads of each, queries, keys; and one of elements of a head, or of
// distances.
enum Loop : unsigned { H, G, I, J, E, D = E };

/// A logit of a key that is not seen: less than any other.
constexpr double kUnseen = -1e30;

using Reduction = FormulaBuilder::Reduction;

/// The tensors of one attention, taken apart into heads.
class AttentionGradient {
public:
  AttentionGradient(AttentionGradientOp op, OpBuilder &builder)
      : op(op), b(builder, op), kvHeads(op.getKvHeads()), group(op.getHeads() / op.getKvHeads()) {
    query = splitHeads(op.getQuery(), {kvHeads, group});
    key = splitHeads(op.getKey(), {kvHeads});
    value = splitHeads(op.getValue(), {kvHeads});
    gradient = splitHeads(b.promote(op.getGradient()), {kvHeads, group});
    products = b.compute({query, key}, {queryDims, keyDims}, 5, scoreDims,
                         [](ArrayRef<Number> v) { return v[0] * v[1]; });
    computeSoftmax();
  }

  Value ofValue() {
    Value dv = b.compute({softmax, gradient}, {scoreDims, queryDims}, 5, keyDims,
                         [](ArrayRef<Number> v) { return v[0] * v[1]; });
    return b.as(op.getValue(), b.collapse(dv, 1, 2));
  }

  /// Gradients of the others go by way of that of the logits.
  void computeLogitsGradient() {
    Value ofSoftmax = b.compute({gradient, value}, {queryDims, keyDims}, 5, scoreDims,
                                [](ArrayRef<Number> v) { return v[0] * v[1]; });
    Value sums = b.compute({softmax, ofSoftmax}, {scoreDims, scoreDims}, 4, rowDims,
                           [](ArrayRef<Number> v) { return v[0] * v[1]; });
    ofLogits = b.compute({softmax, ofSoftmax, sums}, {scoreDims, scoreDims, rowDims}, 4, scoreDims,
                         [](ArrayRef<Number> v) { return v[0] * (v[1] - v[2]); });
  }

  Value ofBias() {
    if (!op.getByDistance())
      return b.as(op.getBias(), b.collapse(ofLogits, 0, 3));
    Value sums = b.compute({ofLogits, splitBias()}, {scoreDims, distanceDims}, 5, distanceDims,
                           [&](ArrayRef<Number> v) { return whereDistance(v[0]); });
    return b.as(op.getBias(), b.collapse(sums, 0, 2));
  }

  Value ofQuery() {
    Value dq = b.compute({ofLogits, products, key}, {scoreDims, scoreDims, keyDims}, 5, queryDims,
                         [&](ArrayRef<Number> v) { return v[0] * slope(v[1]) * v[2]; });
    return b.as(op.getQuery(), b.collapse(dq, 1, 3));
  }

  Value ofKey() {
    Value dk = b.compute({ofLogits, products, query}, {scoreDims, scoreDims, queryDims}, 5, keyDims,
                         [&](ArrayRef<Number> v) { return v[0] * slope(v[1]) * v[2]; });
    return b.as(op.getKey(), b.collapse(dk, 1, 2));
  }

private:
  /// [rows, heads * size] as [rows, heads, ..., size].
  Value splitHeads(Value matrix, ArrayRef<int64_t> heads) {
    SmallVector<int64_t> sizes(heads);
    int64_t size = cast<RankedTensorType>(matrix.getType()).getDimSize(1);
    for (int64_t count : heads)
      size /= count;
    sizes.push_back(size);
    return b.expand(matrix, 1, sizes);
  }

  /// The bias as [heads of keys, query heads, queries, keys], or distances in place of both.
  Value splitBias() {
    const int64_t queries = cast<RankedTensorType>(op.getQuery().getType()).getDimSize(0);
    SmallVector<int64_t> sizes = {kvHeads, group};
    if (!op.getByDistance())
      sizes.push_back(queries);
    return b.expand(op.getBias(), 0, sizes);
  }

  /// `number` where the loop over distances is at that of query and key, else 0.
  Number whereDistance(Number number) {
    ImplicitLocOpBuilder &body = *number.builder;
    const int64_t reach = cast<RankedTensorType>(op.getBias().getType()).getDimSize(1) / 2;
    auto index = [&](int64_t value) -> Value { return arith::ConstantIndexOp::create(body, value); };
    Value ahead = arith::SubIOp::create(body, linalg::IndexOp::create(body, unsigned(J)),
                                        linalg::IndexOp::create(body, unsigned(I)));
    Value distance = arith::AddIOp::create(
        body, index(reach),
        arith::MinSIOp::create(body, index(reach), arith::MaxSIOp::create(body, index(-reach), ahead)));
    Value isHere = arith::CmpIOp::create(body, arith::CmpIPredicate::eq, distance,
                                         linalg::IndexOp::create(body, unsigned(D)));
    return {&body, arith::SelectOp::create(body, isHere, number.value, constant(number, 0).value)};
  }

  double scale() { return op.getScale().convertToDouble(); }

  /// The logit of a product before alibi and bias, and its derivative by the product.
  Number capped(Number product) {
    if (!op.getSoftcap())
      return scale() * product;
    const double cap = op.getSoftcap()->convertToDouble();
    return cap * tangent(scale() / cap * product);
  }
  Number slope(Number product) {
    if (!op.getSoftcap())
      return constant(product, scale());
    Number t = tangent(scale() / op.getSoftcap()->convertToDouble() * product);
    return scale() * (1 - t * t);
  }

  /// Whether key j is seen by query i, or nothing if all keys are. `segments` are those of both, if there are
  /// any.
  Value isSeen(ImplicitLocOpBuilder &body, ArrayRef<Number> segments) {
    using Predicate = arith::CmpIPredicate;
    Value seen;
    auto demand = [&](Value condition) {
      seen = seen ? Value(arith::AndIOp::create(body, seen, condition)) : condition;
    };
    if (!segments.empty())
      demand(arith::CmpIOp::create(body, Predicate::eq, segments[0].value, segments[1].value));
    Value i = linalg::IndexOp::create(body, I), j = linalg::IndexOp::create(body, J);
    if (op.getCausal())
      demand(arith::CmpIOp::create(body, Predicate::sle, j, i));
    if (std::optional<uint64_t> window = op.getWindow()) {
      Value behind = arith::SubIOp::create(body, i, j);
      Value size = arith::ConstantIndexOp::create(body, static_cast<int64_t>(*window));
      demand(arith::CmpIOp::create(body, Predicate::slt, behind, size));
    }
    return seen;
  }

  /// alibi[h, g] * (j - i)
  Number alibi(Number headSlope) {
    ImplicitLocOpBuilder &body = *headSlope.builder;
    Value i = linalg::IndexOp::create(body, I), j = linalg::IndexOp::create(body, J);
    Value ahead = arith::IndexCastOp::create(body, body.getI32Type(), arith::SubIOp::create(body, j, i));
    return headSlope * Number{&body, arith::SIToFPOp::create(body, headSlope.value.getType(), ahead)};
  }

  void computeSoftmax() {
    SmallVector<Value> inputs = {products};
    SmallVector<FormulaBuilder::Dims> dims = {scoreDims};
    if (std::optional<ArrayRef<double>> slopes = op.getAlibi()) {
      auto type = RankedTensorType::get({kvHeads, group}, b.getElement());
      auto numbers = llvm::map_to_vector(
          *slopes, [&](double slope) -> Attribute { return b.b.getFloatAttr(b.getElement(), slope); });
      inputs.push_back(arith::ConstantOp::create(b.b, DenseElementsAttr::get(type, numbers)));
      dims.push_back(headDims);
    }
    if (op.getBias()) {
      Value bias = splitBias();
      if (op.getByDistance())
        bias = b.compute({bias, products}, {distanceDims, scoreDims}, 5, scoreDims,
                         [&](ArrayRef<Number> v) { return whereDistance(v[0]); });
      inputs.push_back(bias);
      dims.push_back(scoreDims);
    }
    if (op.getSegments()) {
      inputs.append({op.getSegments(), op.getKeySegments() ? op.getKeySegments() : op.getSegments()});
      dims.append({queryRow, keyRow});
    }
    Value logits = b.compute(inputs, dims, 4, scoreDims, [&](ArrayRef<Number> v) {
      Number logit = capped(v[0]);
      v = v.drop_front();
      if (op.getAlibi()) {
        logit = logit + alibi(v.front());
        v = v.drop_front();
      }
      if (op.getBias()) {
        logit = logit + v.front();
        v = v.drop_front();
      }
      Value seen = isSeen(*logit.builder, v);
      if (!seen)
        return logit;
      Number unseen = constant(logit, kUnseen);
      return Number{logit.builder, arith::SelectOp::create(*logit.builder, seen, logit.value, unseen.value)};
    });
    Value largest = b.compute(
        {logits}, {scoreDims}, 4, rowDims, [](ArrayRef<Number> v) { return v[0]; }, Reduction::Maximum);
    Value weights = b.compute({logits, largest}, {scoreDims, rowDims}, 4, scoreDims, [](ArrayRef<Number> v) {
      return whereGreater(v[0], constant(v[0], kUnseen / 2), exponential(v[0] - v[1]), constant(v[0], 0));
    });
    Value sums = b.compute({weights}, {scoreDims}, 4, rowDims, [](ArrayRef<Number> v) { return v[0]; });
    // A query that sees no key has no weights.
    softmax = b.compute({weights, sums}, {scoreDims, rowDims}, 4, scoreDims, [](ArrayRef<Number> v) {
      Number zero = constant(v[0], 0);
      return whereGreater(v[1], zero, v[0] / v[1], zero);
    });
  }

  const SmallVector<unsigned> scoreDims = {H, G, I, J}, rowDims = {H, G, I}, headDims = {H, G},
                              queryRow = {I}, keyRow = {J}, queryDims = {I, H, G, E}, keyDims = {J, H, E},
                              distanceDims = {H, G, D};
  AttentionGradientOp op;
  FormulaBuilder b;
  int64_t kvHeads, group;
  Value query, key, value, gradient, products, softmax, ofLogits;
};

} // namespace

FailureOr<SmallVector<Value>> AttentionOp::buildGradients(OpBuilder &builder, ValueRange gradients,
                                                          const llvm::SmallBitVector &wanted) {
  SmallVector<Value> results(getNumOperands());
  const unsigned bias = getNumOperands() - 1;
  const bool ofValue = wants(*this, wanted, 2), ofBias = getBias() && wants(*this, wanted, bias);
  const bool ofQuery = wants(*this, wanted, 0), ofKey = wants(*this, wanted, 1);
  if (!gradients[0] || !(ofValue || ofBias || ofQuery || ofKey))
    return results;
  for (Value operand : {getQuery(), getKey(), getValue(), getResult()})
    if (cast<RankedTensorType>(operand.getType()).isDynamicDim(1))
      return emitOpError() << "can not be differentiated: the width of its heads is not known";
  FormulaBuilder b(builder, *this);
  auto whole = AttentionGradientOp::create(b.b, getQuery(), getKey(), getValue(), b.promote(gradients[0]),
                                           getSegments(), getKeySegments(), getBias(), getByDistanceAttr(),
                                           getCausalAttr(), getHeadsAttr(), getKvHeadsAttr(), getScaleAttr(),
                                           getWindowAttr(), getSoftcapAttr(), getAlibiAttr());
  if (Attribute rows = (*this)->getAttr(kSequenceRowsAttribute))
    whole->setAttr(kSequenceRowsAttribute, rows);
  if (ofQuery)
    results[0] = whole.getQueryGradient();
  if (ofKey)
    results[1] = whole.getKeyGradient();
  if (ofValue)
    results[2] = whole.getValueGradient();
  if (ofBias)
    results[bias] = whole.getBiasGradient();
  return results;
}

FailureOr<SmallVector<Value>> AttentionGradientOp::decomposeOperation(OpBuilder &builder) {
  AttentionGradient rule(*this, builder);
  rule.computeLogitsGradient();
  SmallVector<Value> results = {rule.ofQuery(), rule.ofKey(), rule.ofValue()};
  if (getBias())
    results.push_back(rule.ofBias());
  return results;
}
