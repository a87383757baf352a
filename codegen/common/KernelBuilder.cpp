//===- KernelBuilder.cpp - vocabulary of the kernel emitters -------------------------------------------===//

#include "codegen/common/KernelBuilder.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace llmc::codegen {

void KernelBuilder::loop(Value lower, Value upper, int64_t step, llvm::function_ref<void(Value)> body) {
  auto loop = scf::ForOp::create(*this, lower, upper, index(step));
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(loop.getBody());
  body(loop.getInductionVar());
}

SmallVector<Value> KernelBuilder::loop(Value lower, Value upper, int64_t step, ValueRange carried,
                                       llvm::function_ref<SmallVector<Value>(Value, ValueRange)> body) {
  auto loop = scf::ForOp::create(*this, lower, upper, index(step), carried);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(loop.getBody());
  SmallVector<Value> next = body(loop.getInductionVar(), loop.getRegionIterArgs());
  if (!carried.empty())
    scf::YieldOp::create(*this, next);
  return llvm::to_vector(llvm::map_range(loop.getResults(), [](Value v) { return v; }));
}

void KernelBuilder::ifThen(Value condition, llvm::function_ref<void()> then) {
  auto branch = scf::IfOp::create(*this, condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(branch.thenBlock());
  then();
}

Value KernelBuilder::roundHalfAway(Value value) {
  // The largest number below one half: with a half it rounds up to 1, as a half would, and with itself not.
  constexpr float kBelowHalf = 0x1.fffffep-2F;
  Value half = math::CopySignOp::create(*this, splat(kBelowHalf), value);
  return arith::FPToSIOp::create(*this, i32Vector, addf(value, half));
}

Value KernelBuilder::roundToBf16(Value value) {
  if (target.hasBf16Dot)
    return arith::TruncFOp::create(*this, withShapeOf(value, getBF16Type()), value);
  // LLVM would call a function for each element, which no artifact has.
  auto constant = [&](int32_t n) { return i32Like(value, n); };
  Value bits = arith::BitcastOp::create(*this, withShapeOf(value, getI32Type()), value);
  Value isOdd = arith::AndIOp::create(*this, arith::ShRUIOp::create(*this, bits, constant(16)), constant(1));
  Value rounded = arith::ShRUIOp::create(*this, add(bits, add(isOdd, constant(0x7fff))), constant(16));
  Value isNan = arith::CmpFOp::create(*this, arith::CmpFPredicate::UNO, value, value);
  rounded = arith::SelectOp::create(*this, isNan, constant(0x7fc0), rounded);
  return arith::BitcastOp::create(*this, withShapeOf(value, getBF16Type()),
                                  arith::TruncIOp::create(*this, withShapeOf(value, getI16Type()), rounded));
}

Value KernelBuilder::extendF16(Value value) {
  Type floats = withShapeOf(value, getF32Type()), words = withShapeOf(value, getI32Type());
  if (target.hasF16Conversion)
    return arith::ExtFOp::create(*this, floats, value);
  auto constant = [&](int32_t n) { return i32Like(value, n); };
  Value bits = arith::ExtUIOp::create(
      *this, words, arith::BitcastOp::create(*this, withShapeOf(value, getI16Type()), value));
  Value sign =
      arith::ShLIOp::create(*this, arith::AndIOp::create(*this, bits, constant(0x8000)), constant(16));
  // Exponent and mantissa in the place of f32's: 2^112 too small, subnormal numbers included.
  Value magnitude =
      arith::ShLIOp::create(*this, arith::AndIOp::create(*this, bits, constant(0x7fff)), constant(13));
  Value twoTo112 = arith::BitcastOp::create(*this, floats, constant((127 + 112) << 23));
  Value scaled = arith::BitcastOp::create(*this, words,
                                          mulf(arith::BitcastOp::create(*this, floats, magnitude), twoTo112));
  // Infinity and NaN have the largest exponent in both.
  Value isFinite = less(magnitude, constant(0x7c00 << 13));
  Value special = arith::OrIOp::create(*this, magnitude, constant(0x7f800000));
  Value result = arith::SelectOp::create(*this, isFinite, scaled, special);
  return arith::BitcastOp::create(*this, floats, arith::OrIOp::create(*this, result, sign));
}

Value KernelBuilder::roundToF16(Value value) {
  Type floats = withShapeOf(value, getF32Type()), words = withShapeOf(value, getI32Type());
  if (target.hasF16Conversion)
    return arith::TruncFOp::create(*this, withShapeOf(value, getF16Type()), value);
  auto constant = [&](int32_t n) { return i32Like(value, n); };
  Value bits = arith::BitcastOp::create(*this, words, value);
  Value magnitude = arith::AndIOp::create(*this, bits, constant(0x7fffffff));
  Value sign =
      arith::AndIOp::create(*this, arith::ShRUIOp::create(*this, bits, constant(16)), constant(0x8000));
  // Normal numbers: another bias of the exponent, 13 bits less.
  Value isOdd =
      arith::AndIOp::create(*this, arith::ShRUIOp::create(*this, magnitude, constant(13)), constant(1));
  Value normal =
      arith::ShRUIOp::create(*this, add(add(magnitude, constant(0xfff - (112 << 23))), isOdd), constant(13));
  // Subnormal numbers: the addition of one half puts their last bit, 2^-24, at the end of a sum's mantissa.
  Value half = arith::BitcastOp::create(*this, floats, constant(126 << 23));
  Value small = addf(arith::BitcastOp::create(*this, floats, magnitude), half);
  Value subnormal =
      arith::SubIOp::create(*this, arith::BitcastOp::create(*this, words, small), constant(126 << 23));
  Value isNan = arith::CmpFOp::create(*this, arith::CmpFPredicate::UNO, value, value);
  Value special = arith::SelectOp::create(*this, isNan, constant(0x7e00), constant(0x7c00));
  // 65536 and more: what rounds up to it from below has become infinity already.
  Value isFinite = less(magnitude, constant((127 + 16) << 23));
  Value isSubnormal = less(magnitude, constant((127 - 14) << 23));
  Value result = arith::SelectOp::create(*this, isSubnormal, subnormal, normal);
  result = arith::OrIOp::create(*this, arith::SelectOp::create(*this, isFinite, result, special), sign);
  return arith::BitcastOp::create(*this, withShapeOf(value, getF16Type()),
                                  arith::TruncIOp::create(*this, withShapeOf(value, getI16Type()), result));
}

Value KernelBuilder::shifted(Value memref, Value bytes) {
  auto type = cast<MemRefType>(memref.getType());
  auto [strides, offset] = type.getStridesAndOffset();
  auto layout = StridedLayoutAttr::get(getContext(), ShapedType::kDynamic, strides);
  Value elements = arith::DivUIOp::create(*this, bytes, index(type.getElementTypeBitWidth() / 8));
  return memref::ReinterpretCastOp::create(
      *this, MemRefType::get(type.getShape(), type.getElementType(), layout), memref, elements,
      getAsIndexOpFoldResult(getContext(), type.getShape()), getAsIndexOpFoldResult(getContext(), strides));
}

func::FuncOp KernelBuilder::beginFunction(ModuleOp module, StringRef name, TypeRange inputs) {
  setInsertionPointToEnd(module.getBody());
  auto function = func::FuncOp::create(*this, name, getFunctionType(inputs, {}));
  function.setPrivate();
  // A kernel that is inlined at each of its call sites costs compile time and code, and gains nothing.
  function->setAttr("passthrough", getStrArrayAttr({"noinline"}));
  setInsertionPointToStart(function.addEntryBlock());
  func::ReturnOp::create(*this);
  setInsertionPointToStart(&function.front());
  return function;
}

} // namespace llmc::codegen
