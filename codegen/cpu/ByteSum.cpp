//===- ByteSum.cpp - sums of products of bytes ----------------------------------------------------------===//

#include "codegen/cpu/ByteSum.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include <limits>

using namespace mlir;

namespace llmc::codegen {

Value multiplyPairs(KernelBuilder &b, Value codes, Value activation) {
  auto bytes = VectorType::get({4 * b.lanes}, b.getI8Type()),
       halves = VectorType::get({2 * b.lanes}, b.getI16Type());
  StringRef name = b.lanes == 16 ? "llvm.x86.avx512.pmaddubs.w.512" : "llvm.x86.avx2.pmadd.ub.sw";
  Value x = vector::BitCastOp::create(b, bytes, codes), y = vector::BitCastOp::create(b, bytes, activation);
  return LLVM::CallIntrinsicOp::create(b, halves, b.getStringAttr(name), ValueRange{x, y}).getResult(0);
}

/// Adds the four products of the bytes of each lane in 32 bits.
static Value multiplyWords(KernelBuilder &b, Value sum, Value codes, Value activation) {
  if (b.target.hasByteDot) {
    auto bytes = VectorType::get({4 * b.lanes}, b.getI8Type());
    Value x = vector::BitCastOp::create(b, bytes, codes), y = vector::BitCastOp::create(b, bytes, activation);
    StringRef name = b.lanes == 16 ? "llvm.x86.avx512.vpdpbusd.512" : "llvm.x86.avx512.vpdpbusd.256";
    return LLVM::CallIntrinsicOp::create(b, b.i32Vector, b.getStringAttr(name), ValueRange{sum, x, y})
        .getResult(0);
  }
  for (int byte = 0; byte < 4; ++byte) {
    Value code = b.bitAnd(arith::ShRUIOp::create(b, codes, b.splatInt(8 * byte)), 0xff);
    // The sign comes along when the byte is shifted down from the top.
    Value signedByte = b.shiftRight(b.shiftLeft(activation, 24 - 8 * byte), 24);
    sum = b.add(sum, b.mul(code, signedByte));
  }
  return sum;
}

/// Bits of codes that products of pairs can have: 2 * 127 * 128 fits 16 bits.
static constexpr int64_t kPairBits = 7;
/// Bits of the halves of codes of more.
static constexpr int kHalfBits = 4;

CodeBytes splitCodes(KernelBuilder &b, Value codes, int64_t codeBits) {
  if (!b.target.sumsPairs() || codeBits <= kPairBits)
    return {codes};
  Value high = arith::ShRUIOp::create(b, codes, b.splatInt(kHalfBits));
  constexpr int32_t mask = 0x0f0f0f0f;
  return {b.bitAnd(codes, mask), b.bitAnd(high, mask)};
}

ByteSum::ByteSum(KernelBuilder &b, int64_t codeBits, Value start)
    : b(b), codeBits(codeBits), sum(start), partials(codeBits <= kPairBits ? 1 : 2) {}

void ByteSum::add(const CodeBytes &codes, Value activation) {
  if (!b.target.sumsPairs()) {
    sum = multiplyWords(b, sum, codes.front(), activation);
    return;
  }
  const int64_t bits = partials.size() == 1 ? codeBits : kHalfBits;
  const int64_t largest = 2 * ((int64_t(1) << bits) - 1) * 128;
  for (auto [index, bytes] : llvm::enumerate(codes)) {
    Partial &partial = partials[index];
    if ((partial.count + 1) * largest > std::numeric_limits<int16_t>::max())
      fold(index);
    Value products = multiplyPairs(b, bytes, activation);
    partial.sum = partial.sum ? Value(arith::AddIOp::create(b, partial.sum, products)) : products;
    ++partial.count;
  }
}

void ByteSum::fold(size_t index) {
  if (!partials[index].sum)
    return;
  Value halves = vector::BitCastOp::create(b, b.i32Vector, partials[index].sum);
  const int32_t weight = 1 << (kHalfBits * index);
  sum = b.pairDot(sum, halves, b.splatInt(weight << 16 | weight));
  partials[index] = Partial();
}

Value ByteSum::total() {
  for (size_t index = 0; index < partials.size(); ++index)
    fold(index);
  return sum;
}

} // namespace llmc::codegen
