//===- NNDropout.cpp - dropout as a structured operation ----------------------------------------------===//
//
// The random words are computed where they are used, forward and backward: that is arithmetic in registers,
// in place of a tensor of zeros and ones in memory. One word of the four for a counter is used.
//
//===------------------------------------------------------------------------------------------------===//

#include "dialects/nn/FormulaBuilder.h"
#include "dialects/random/Philox.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include <cmath>

using namespace mlir;
using namespace llmc::nn;

using llmc::Philox;

namespace {

/// The arithmetic of dialects/random/Philox.h on i32.
class PhiloxFormula {
public:
  explicit PhiloxFormula(ImplicitLocOpBuilder &b) : b(b) {}

  /// The first word for a counter and a key.
  Value firstWord(std::array<Value, 4> counter, std::array<Value, 2> key) {
    for (int round = 0; round < Philox::kRounds; ++round) {
      auto a = multiply(counter[0], Philox::kMultiplierA);
      auto c = multiply(counter[2], Philox::kMultiplierB);
      counter = {mix(c.getHigh(), counter[1], key[0]), c.getLow(), mix(a.getHigh(), counter[3], key[1]),
                 a.getLow()};
      key = {arith::AddIOp::create(b, key[0], word(Philox::kWeylA)),
             arith::AddIOp::create(b, key[1], word(Philox::kWeylB))};
    }
    return counter[0];
  }

  Value word(uint32_t value) {
    return arith::ConstantOp::create(b, b.getI32IntegerAttr(static_cast<int32_t>(value)));
  }

private:
  arith::MulUIExtendedOp multiply(Value a, uint32_t factor) {
    return arith::MulUIExtendedOp::create(b, a, word(factor));
  }
  Value mix(Value x, Value y, Value key) {
    return arith::XOrIOp::create(b, Value(arith::XOrIOp::create(b, x, y)), key);
  }

  ImplicitLocOpBuilder &b;
};

} // namespace

uint32_t DropoutOp::getLeastWord() {
  return static_cast<uint32_t>(std::llround(std::ldexp(getRate().convertToDouble(), 32)));
}

double DropoutOp::getFactor() { return 1 / (1 - getRate().convertToDouble()); }

FailureOr<SmallVector<Value>> DropoutOp::decomposeOperation(OpBuilder &builder) {
  FormulaBuilder b(builder, *this);
  MLIRContext *context = getContext();
  SmallVector<Value> inputs = {getInput(), getRows()};
  SmallVector<AffineMap> maps = {b.b.getMultiDimIdentityMap(2),
                                 AffineMap::getMultiDimMapWithTargets(2, {0}, context)};
  for (int64_t index = 0; index < 3; ++index) {
    inputs.push_back(getDraw());
    maps.push_back(AffineMap::get(2, 0, b.b.getAffineConstantExpr(index)));
  }
  Value y = b.compute(inputs, maps, FormulaBuilder::Dims{0U, 1U}, [&](ArrayRef<Number> v) {
    ImplicitLocOpBuilder &body = *v[0].builder;
    PhiloxFormula philox(body);
    Value drawn = philox.firstWord(
        {columnOf(body), v[1].value, v[4].value, philox.word(static_cast<uint32_t>(getStream()))},
        {v[2].value, v[3].value});
    Value stays = arith::CmpIOp::create(body, arith::CmpIPredicate::uge, drawn, philox.word(getLeastWord()));
    return Number{&body,
                  arith::SelectOp::create(body, stays, (getFactor() * v[0]).value, constant(v[0], 0).value)};
  });
  return SmallVector<Value>{b.as(getResult(), y)};
}

// The same elements of the gradient become zero.
FailureOr<SmallVector<Value>> DropoutOp::buildGradients(OpBuilder &builder, ValueRange gradients,
                                                        const llvm::SmallBitVector &wanted) {
  SmallVector<Value> results(3);
  if (gradients[0] && wants(*this, wanted, 0))
    results[0] = DropoutOp::create(builder, getLoc(), gradients[0], getRows(), getDraw(), getRateAttr(),
                                   getStreamAttr());
  return results;
}
