//===- ByteSum.cpp - sums of products of bytes ----------------------------------------------------------===//

#include "codegen/cpu/ByteSum.h"

#include <limits>

using namespace mlir;

namespace llmc::codegen {

/// Adds the four products of the bytes of each lane in 32 bits.
static Value multiplyWords(KernelBuilder &b, Value sum, Value codes, Value activation) {
  if (b.target.hasByteDot)
    return b.byteDot(sum, codes, activation);
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

/// Whether codes are taken down by 128, to fit signed bytes.
static bool movesCodes(const Target &target, int64_t codeBits) {
  return target.hasByteDot && target.byteDotIsSigned && codeBits > 7;
}

CodeBytes splitCodes(KernelBuilder &b, Value codes, int64_t codeBits) {
  if (movesCodes(b.target, codeBits))
    return {arith::XOrIOp::create(b, codes, b.splatInt(static_cast<int32_t>(0x80808080)))};
  if (!b.target.sumsPairs() || codeBits <= kPairBits)
    return {codes};
  Value high = arith::ShRUIOp::create(b, codes, b.splatInt(kHalfBits));
  constexpr int32_t mask = 0x0f0f0f0f;
  return {b.bitAnd(codes, mask), b.bitAnd(high, mask)};
}

ByteSum::ByteSum(KernelBuilder &b, int64_t codeBits, int64_t center, Value activationSum)
    : b(b), codeBits(codeBits), partials(codeBits <= kPairBits ? 1 : 2) {
  const int64_t offset = (movesCodes(b.target, codeBits) ? 128 : 0) - center;
  sum = offset == 0 ? b.splatInt(0) : b.mul(activationSum, b.splatInt(static_cast<int32_t>(offset)));
}

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
    Value products = b.bytePairs(bytes, activation);
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
