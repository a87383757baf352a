//===- DotProducts.cpp - products of parts of lanes, by what processors have for them -----------------===//
//
// The only instructions that are called by name: all others are operations of MLIR, which LLVM selects them
// for.
//
//===----------------------------------------------------------------------------------------------------===//

#include "codegen/common/KernelBuilder.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;

namespace llmc::codegen {

static Value call(KernelBuilder &b, StringRef name, Type result, ValueRange operands) {
  return LLVM::CallIntrinsicOp::create(b, result, b.getStringAttr(name), operands).getResult(0);
}

/// `words`, an i32Vector, as a vector of `element`.
static Value partsOf(KernelBuilder &b, Value words, Type element) {
  auto type = VectorType::get({b.lanes * 32 / element.getIntOrFloatBitWidth()}, element);
  return vector::BitCastOp::create(b, type, words);
}

/// The sums of neighbouring products of two vectors of signed integers, in twice the bits (smull, smull2,
/// addp).
static Value neonPairs(KernelBuilder &b, Value x, Value y) {
  auto type = cast<VectorType>(x.getType());
  const int64_t count = type.getNumElements(), bits = type.getElementTypeBitWidth();
  auto wide = VectorType::get({count / 2}, b.getIntegerType(2 * bits));
  const std::string suffix = ".v" + std::to_string(count / 2) + "i" + std::to_string(2 * bits);
  auto half = [&](Value vector, int64_t first) -> Value {
    return vector::ExtractStridedSliceOp::create(b, vector, ArrayRef(first), ArrayRef(count / 2),
                                                 ArrayRef<int64_t>(1));
  };
  auto products = [&](int64_t first) {
    return call(b, "llvm.aarch64.neon.smull" + suffix, wide, {half(x, first), half(y, first)});
  };
  return call(b, "llvm.aarch64.neon.addp" + suffix, wide, {products(0), products(count / 2)});
}

Value KernelBuilder::byteDot(Value accumulator, Value a, Value b) {
  if (target.vectors == VectorUnit::Neon) {
    StringRef name =
        target.byteDotIsSigned ? "llvm.aarch64.neon.sdot.v4i32.v16i8" : "llvm.aarch64.neon.usdot.v4i32.v16i8";
    return call(*this, name, i32Vector,
                {accumulator, partsOf(*this, a, getI8Type()), partsOf(*this, b, getI8Type())});
  }
  StringRef name = lanes == 16 ? "llvm.x86.avx512.vpdpbusd.512" : "llvm.x86.avx512.vpdpbusd.256";
  return call(*this, name, i32Vector,
              {accumulator, partsOf(*this, a, getI8Type()), partsOf(*this, b, getI8Type())});
}

Value KernelBuilder::bytePairs(Value a, Value b) {
  Value x = partsOf(*this, a, getI8Type()), y = partsOf(*this, b, getI8Type());
  if (target.vectors == VectorUnit::Neon)
    return neonPairs(*this, x, y);
  StringRef name = lanes == 16 ? "llvm.x86.avx512.pmaddubs.w.512" : "llvm.x86.avx2.pmadd.ub.sw";
  return call(*this, name, VectorType::get({2 * lanes}, getI16Type()), {x, y});
}

Value KernelBuilder::pairDot(Value accumulator, Value a, Value b) {
  if (target.hasByteDot || target.hasPairDot) {
    Value x = partsOf(*this, a, getI16Type()), y = partsOf(*this, b, getI16Type());
    if (target.vectors == VectorUnit::Neon)
      return add(accumulator, neonPairs(*this, x, y));
    if (!target.hasByteDot)
      return add(accumulator,
                 call(*this, lanes == 16 ? "llvm.x86.avx512.pmaddw.d.512" : "llvm.x86.avx2.pmadd.wd",
                      i32Vector, {x, y}));
    return call(*this, lanes == 16 ? "llvm.x86.avx512.vpdpwssd.512" : "llvm.x86.avx512.vpdpwssd.256",
                i32Vector, {accumulator, x, y});
  }
  auto low = [&](Value v) { return shiftRight(shiftLeft(v, 16), 16); };
  Value lowProduct = mul(low(a), low(b)), highProduct = mul(shiftRight(a, 16), shiftRight(b, 16));
  return add(accumulator, add(lowProduct, highProduct));
}

Value KernelBuilder::bf16Dot(Value accumulator, Value a, Value b) {
  if (target.hasBf16Dot) {
    StringRef name = target.vectors == VectorUnit::Neon ? "llvm.aarch64.neon.bfdot.v4f32.v8bf16"
                     : lanes == 16                      ? "llvm.x86.avx512bf16.dpbf16ps.512"
                                                        : "llvm.x86.avx512bf16.dpbf16ps.256";
    return call(*this, name, f32Vector,
                {accumulator, partsOf(*this, a, getBF16Type()), partsOf(*this, b, getBF16Type())});
  }
  auto low = [&](Value v) -> Value {
    return arith::BitcastOp::create(*this, f32Vector, arith::ShLIOp::create(*this, v, splatInt(16)));
  };
  auto high = [&](Value v) -> Value {
    return arith::BitcastOp::create(
        *this, f32Vector, arith::AndIOp::create(*this, v, splatInt(static_cast<int32_t>(0xffff0000))));
  };
  return fma(high(a), high(b), fma(low(a), low(b), accumulator));
}

} // namespace llmc::codegen
