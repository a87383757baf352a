//===- KernelBuilder.h - vocabulary of the kernel emitters --------------------------------------------===//
#ifndef LLMC_CODEGEN_COMMON_KERNELBUILDER_H
#define LLMC_CODEGEN_COMMON_KERNELBUILDER_H

#include "codegen/common/PanelLayout.h"
#include "codegen/common/Target.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace llmc::codegen {

/// Rows of quantized activations (q16_k, q8_k): a block of 32-bit words for each run of 128 elements,
/// `memref<rows x runs x words x i32>`. A code of 16 bits is 256 times a signed high byte and a signed low
/// byte, so that products of bytes serve it too. Of the last block of a row only what there are elements for
/// is written.
struct ActivationBlock {
  static constexpr int64_t run = PanelLayout::run;
  static constexpr int64_t sumSize = 16; ///< elements that have a sum
  static constexpr int64_t scale = 0;    ///< f32
  static constexpr int64_t sums =
      8; ///< 8 of codes' parts: 2^16 times the high ones', or all, plus the low ones'
  static constexpr int64_t codes = 16;     ///< 32 words of 4 signed bytes: codes, or their high bytes
  static constexpr int64_t lowCodes = 48;  ///< 32 words of low bytes
  static constexpr int64_t words = 48;     ///< of a block of 8-bit codes
  static constexpr int64_t wideWords = 80; ///< of a block of 16-bit codes
  /// For processors that add products of bytes in pairs, blocks have words behind these: for each pairSumSize
  /// elements and each part of the codes (4 words a part, the high ones first) two sums of 16 bits, of the
  /// first two of every four elements and of the other two.
  static constexpr int64_t pairSumSize = 32;
  static constexpr int64_t pairWords = 16;

  /// Whether rows of this type hold 16-bit codes.
  static bool isWide(mlir::Type memref) {
    return mlir::cast<mlir::MemRefType>(memref).getShape().back() >= wideWords;
  }
  /// The word that has the pair sums of part `part` of elements group * pairSumSize on.
  static int64_t pairSums(mlir::Type memref, int64_t part) {
    return (isWide(memref) ? wideWords : words) + part * (run / pairSumSize);
  }
};

/// An op builder that speaks of native vectors: `f32Vector` and `i32Vector` have one element a lane, and no
/// kernel uses others across block boundaries (LLVM splits other phis into scalars).
class KernelBuilder : public mlir::ImplicitLocOpBuilder {
public:
  KernelBuilder(mlir::Location loc, mlir::OpBuilder &builder, const Target &target)
      : ImplicitLocOpBuilder(loc, builder), target(target), lanes(target.lanes),
        f32Vector(mlir::VectorType::get({lanes}, getF32Type())),
        i32Vector(mlir::VectorType::get({lanes}, getI32Type())) {}

  const Target &target;
  const int64_t lanes;
  const mlir::VectorType f32Vector, i32Vector;

  mlir::Value index(int64_t value) { return mlir::arith::ConstantIndexOp::create(*this, value); }
  mlir::Value f32(double value) {
    return mlir::arith::ConstantOp::create(*this, getF32FloatAttr(static_cast<float>(value)));
  }
  mlir::Value i32(int32_t value) { return mlir::arith::ConstantOp::create(*this, getI32IntegerAttr(value)); }
  mlir::Value splat(double value) { return broadcast(f32(value)); }
  mlir::Value splatInt(int32_t value) { return broadcast(i32(value)); }
  /// A scalar in every lane.
  mlir::Value broadcast(mlir::Value scalar) {
    return mlir::vector::BroadcastOp::create(*this, mlir::VectorType::get({lanes}, scalar.getType()), scalar);
  }

  mlir::Value add(mlir::Value a, mlir::Value b) { return mlir::arith::AddIOp::create(*this, a, b); }
  mlir::Value add(mlir::Value a, int64_t b) { return b == 0 ? a : add(a, index(b)); }
  mlir::Value mul(mlir::Value a, mlir::Value b) { return mlir::arith::MulIOp::create(*this, a, b); }
  mlir::Value mul(mlir::Value a, int64_t b) { return b == 1 ? a : mul(a, index(b)); }
  mlir::Value div(mlir::Value a, int64_t b) {
    return b == 1 ? a : mlir::arith::DivUIOp::create(*this, a, index(b));
  }
  mlir::Value rem(mlir::Value a, int64_t b) { return mlir::arith::RemUIOp::create(*this, a, index(b)); }
  mlir::Value min(mlir::Value a, mlir::Value b) { return mlir::arith::MinSIOp::create(*this, a, b); }
  mlir::Value addf(mlir::Value a, mlir::Value b) { return mlir::arith::AddFOp::create(*this, a, b); }
  mlir::Value subf(mlir::Value a, mlir::Value b) { return mlir::arith::SubFOp::create(*this, a, b); }
  mlir::Value mulf(mlir::Value a, mlir::Value b) { return mlir::arith::MulFOp::create(*this, a, b); }
  mlir::Value divf(mlir::Value a, mlir::Value b) { return mlir::arith::DivFOp::create(*this, a, b); }
  mlir::Value maxf(mlir::Value a, mlir::Value b) { return mlir::arith::MaximumFOp::create(*this, a, b); }
  mlir::Value fma(mlir::Value a, mlir::Value b, mlir::Value c) {
    return mlir::vector::FMAOp::create(*this, a, b, c);
  }
  mlir::Value shiftLeft(mlir::Value a, int32_t bits) {
    return mlir::arith::ShLIOp::create(*this, a, i32Like(a, bits));
  }
  /// Rounds down.
  mlir::Value shiftRight(mlir::Value a, int32_t bits) {
    return mlir::arith::ShRSIOp::create(*this, a, i32Like(a, bits));
  }
  mlir::Value bitAnd(mlir::Value a, int32_t mask) {
    return mlir::arith::AndIOp::create(*this, a, i32Like(a, mask));
  }
  mlir::Value bitOr(mlir::Value a, mlir::Value b) { return mlir::arith::OrIOp::create(*this, a, b); }
  mlir::Value less(mlir::Value a, mlir::Value b) {
    return mlir::arith::CmpIOp::create(*this, mlir::arith::CmpIPredicate::slt, a, b);
  }
  /// Sum of all lanes.
  mlir::Value sum(mlir::Value vector) {
    return mlir::vector::ReductionOp::create(*this, mlir::vector::CombiningKind::ADD, vector,
                                             mlir::arith::FastMathFlags::reassoc);
  }
  mlir::Value maximum(mlir::Value vector) {
    return mlir::vector::ReductionOp::create(*this, mlir::vector::CombiningKind::MAXIMUMF, vector);
  }

  mlir::Value load(mlir::Value memref, mlir::ValueRange indices) {
    return mlir::memref::LoadOp::create(*this, memref, indices);
  }
  void store(mlir::Value value, mlir::Value memref, mlir::ValueRange indices) {
    mlir::memref::StoreOp::create(*this, value, memref, indices);
  }
  mlir::Value loadVector(mlir::Value memref, mlir::ValueRange indices) {
    auto element = mlir::cast<mlir::MemRefType>(memref.getType()).getElementType();
    return mlir::vector::LoadOp::create(*this, mlir::VectorType::get({lanes}, element), memref, indices);
  }
  /// A native vector of f32 from memory that holds f32, f16 or bf16.
  mlir::Value loadFloats(mlir::Value memref, mlir::ValueRange indices) {
    mlir::Value vector = loadVector(memref, indices);
    auto element = mlir::cast<mlir::MemRefType>(memref.getType()).getElementType();
    if (element.isF32())
      return vector;
    return element.isF16() ? extendF16(vector)
                           : mlir::arith::ExtFOp::create(*this, f32Vector, vector).getResult();
  }
  /// `value`, an f16 or a native vector of them, in f32.
  mlir::Value extendF16(mlir::Value value);
  /// The nearest f16 numbers, ties to even, of `value`, an f32 or an f32Vector.
  mlir::Value roundToF16(mlir::Value value);
  /// The nearest bf16 numbers, ties to even, of `value`, an f32 or an f32Vector.
  mlir::Value roundToBf16(mlir::Value value);
  /// `value`, an f32 or a vector of them, rounded to the element type of `memref`.
  mlir::Value roundTo(mlir::Value memref, mlir::Value value) {
    auto element = mlir::cast<mlir::MemRefType>(memref.getType()).getElementType();
    return element.isF32() ? value : element.isBF16() ? roundToBf16(value) : roundToF16(value);
  }
  /// The nearest integers, halves away from zero, of an f32Vector of numbers below 2^22 in magnitude.
  mlir::Value roundHalfAway(mlir::Value value);
  void storeVector(mlir::Value vector, mlir::Value memref, mlir::ValueRange indices) {
    mlir::vector::StoreOp::create(*this, vector, memref, indices);
  }
  /// `memref` moved on by a multiple of its elements' size.
  mlir::Value shifted(mlir::Value memref, mlir::Value bytes);
  /// Memory of the running call. At the entry of a function, so that it is taken once.
  mlir::Value scratch(mlir::MemRefType type) {
    return mlir::memref::AllocaOp::create(*this, type, mlir::ValueRange{}, getI64IntegerAttr(64));
  }
  /// A lane mask that keeps the first `count` lanes.
  mlir::Value firstLanes(int64_t count) {
    return mlir::vector::CreateMaskOp::create(*this, mlir::VectorType::get({lanes}, getI1Type()),
                                              mlir::ValueRange{index(count)});
  }

  /// for (i = lower; i < upper; i += step) body(i)
  void loop(mlir::Value lower, mlir::Value upper, int64_t step, llvm::function_ref<void(mlir::Value)> body);
  /// The same with values carried from one iteration to the next: body returns the next ones.
  llvm::SmallVector<mlir::Value>
  loop(mlir::Value lower, mlir::Value upper, int64_t step, mlir::ValueRange carried,
       llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::Value, mlir::ValueRange)> body);
  /// if (condition) then()
  void ifThen(mlir::Value condition, llvm::function_ref<void()> then);

  /// accumulator[lane] + the four products of the bytes of each lane, signed ones of `b` by unsigned ones of
  /// `a`, or signed ones if Target::byteDotIsSigned. For processors with hasByteDot. All are i32Vectors.
  mlir::Value byteDot(mlir::Value accumulator, mlir::Value a, mlir::Value b);
  /// The sums of two neighbouring products of signed bytes of `b` by bytes of `a` that are below 2^7: 16-bit
  /// numbers, two a lane. For processors with hasPairDot.
  mlir::Value bytePairs(mlir::Value a, mlir::Value b);
  /// accumulator[lane] + the two products of the signed 16-bit halves of each lane, modulo 2^32. All are
  /// i32Vectors.
  mlir::Value pairDot(mlir::Value accumulator, mlir::Value a, mlir::Value b);
  /// accumulator[lane] + sum of the two bf16 products of each lane. `a` and `b` are i32Vectors of bf16 pairs.
  mlir::Value bf16Dot(mlir::Value accumulator, mlir::Value a, mlir::Value b);

  /// `element`, or a vector of them if `value` is a vector.
  static mlir::Type withShapeOf(mlir::Value value, mlir::Type element) {
    auto vector = mlir::dyn_cast<mlir::VectorType>(value.getType());
    return vector ? mlir::Type(vector.clone(element)) : element;
  }
  /// `number` as `value` is: once, or in every element of a vector.
  mlir::Value i32Like(mlir::Value value, int32_t number) {
    mlir::Value scalar = i32(number);
    auto vector = mlir::dyn_cast<mlir::VectorType>(value.getType());
    return vector ? mlir::vector::BroadcastOp::create(*this, vector.clone(getI32Type()), scalar).getResult()
                  : scalar;
  }

  /// A private function of this module that takes `inputs`; the insertion point moves into its body.
  mlir::func::FuncOp beginFunction(mlir::ModuleOp module, llvm::StringRef name, mlir::TypeRange inputs);
};

/// `memref<shape x element>`, contiguous.
inline mlir::MemRefType bufferType(llvm::ArrayRef<int64_t> shape, mlir::Type element) {
  return mlir::MemRefType::get(shape, element);
}

/// n rounded up to whole vectors.
inline int64_t padTo(int64_t n, int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_COMMON_KERNELBUILDER_H
