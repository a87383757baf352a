//===- GatherKernels.cpp - kernels that move rows, and angles ------------------------------------------===//

#include "codegen/cuda/GatherKernels.h"

#include "codegen/cuda/FragmentReader.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;

namespace llmc::codegen {

void emitGpuEmbedding(GpuKernel &kernel, Type element, int64_t width, Value table, Value ids,
                      Value destination) {
  KernelBuilder &b = kernel.b;
  Value row = kernel.block();
  Value id = arith::IndexCastOp::create(b, b.getIndexType(), b.load(ids, {row}));
  b.loop(kernel.thread(), b.index(width), kernel.threads, [&](Value column) {
    Value value;
    if (element.isF32()) {
      value = b.load(table, {id, column});
    } else {
      const FragmentLayout layout = FragmentLayout::get(element);
      value = FragmentReader(b, layout, table, Value())
                  .element(b.div(id, FragmentLayout::tileOutputs), b.rem(id, FragmentLayout::tileOutputs),
                           column);
    }
    b.store(value, destination, {row, column});
  });
}

void emitGpuCopyRows(GpuKernel &kernel, int64_t width, Value source, Value ids, Value destination) {
  KernelBuilder &b = kernel.b;
  Value row = kernel.block();
  Value from = ids ? Value(arith::IndexCastOp::create(b, b.getIndexType(), b.load(ids, {row}))) : row;
  b.loop(kernel.thread(), b.index(width), kernel.threads,
         [&](Value column) { b.store(b.load(source, {from, column}), destination, {row, column}); });
}

/// Cosine and sine of `angle`, an f64 from 0 to 2^31: GPUs have no library of functions in f64. Quarters of a
/// turn are taken off in three parts (Cody and Waite, 1980), then come the series of Taylor.
static std::pair<Value, Value> cosineAndSine(KernelBuilder &b, Value angle) {
  Type f64 = b.getF64Type();
  auto constant = [&](double value) -> Value {
    return arith::ConstantOp::create(b, b.getF64FloatAttr(value));
  };
  auto fma = [&](Value x, Value y, Value z) -> Value { return LLVM::FMAOp::create(b, x, y, z); };
  constexpr double kTwoOverPi = 0.63661977236758134308;
  // pi / 2 in parts of 53 bits.
  constexpr double kParts[] = {1.57079632679489655800e+00, 6.12323399573676603587e-17,
                               -1.49738490485916983294e-33};
  Value quarters =
      arith::FPToSIOp::create(b, b.getI64Type(), fma(angle, constant(kTwoOverPi), constant(0.5)));
  Value turns = arith::SIToFPOp::create(b, f64, quarters), r = angle;
  for (double part : kParts)
    r = fma(turns, constant(-part), r);
  Value square = b.mulf(r, r);
  auto series = [&](int first) { // sum of (-1)^k r^(2k) / (2k + first)! from k = 0 on
    constexpr int kTerms = 9;
    double factorial[2 * kTerms + 2] = {1};
    for (int i = 1; i < 2 * kTerms + 2; ++i)
      factorial[i] = factorial[i - 1] * i;
    Value sum = constant(0);
    for (int k = kTerms - 1; k >= 0; --k)
      sum = fma(sum, square, constant((k % 2 ? -1 : 1) / factorial[2 * k + first]));
    return sum;
  };
  Value cosine = series(0), sine = b.mulf(r, series(1));
  auto has = [&](int64_t bit) -> Value {
    Value mask = arith::ConstantOp::create(b, b.getI64IntegerAttr(bit));
    Value zero = arith::ConstantOp::create(b, b.getI64IntegerAttr(0));
    return arith::CmpIOp::create(b, arith::CmpIPredicate::ne, Value(arith::AndIOp::create(b, quarters, mask)),
                                 zero);
  };
  auto select = [&](Value condition, Value yes, Value no) -> Value {
    return arith::SelectOp::create(b, condition, yes, no);
  };
  auto negate = [&](Value x) -> Value { return arith::NegFOp::create(b, x); };
  Value isOdd = has(1), isUpper = has(2);
  Value c = select(isOdd, negate(sine), cosine), s = select(isOdd, cosine, sine);
  return {select(isUpper, negate(c), c), select(isUpper, negate(s), s)};
}

void emitGpuRopeTable(GpuKernel &kernel, nn::RopeTableOp op, int64_t lanes, Value positions,
                      Value destination) {
  KernelBuilder &b = kernel.b;
  const int64_t pairs = op.getDims() / 2, part = padTo(pairs, lanes);
  Value row = kernel.block(), thread = kernel.thread();
  SmallVector<double> frequencies = op.getFrequencies();
  Value magnitude = b.f32(op.getMagnitude());
  // In double precision: at position 100,000 a float angle has lost three digits.
  Value position = arith::SIToFPOp::create(b, b.getF64Type(), b.load(positions, {row}));
  // Padding has a frequency of zero, and finite numbers that multiply zeros.
  for (int64_t first = 0; first < part; first += kernel.threads) {
    Value pair = b.add(thread, first), frequency = arith::ConstantOp::create(b, b.getF64FloatAttr(0));
    for (int64_t i = first; i < std::min(pairs, first + kernel.threads); ++i) {
      Value isThis = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, pair, b.index(i));
      Value value = arith::ConstantOp::create(b, b.getF64FloatAttr(frequencies[i]));
      frequency = arith::SelectOp::create(b, isThis, value, frequency);
    }
    auto [cosine, sine] = cosineAndSine(b, b.mulf(position, frequency));
    b.ifThen(b.less(pair, b.index(part)), [&, cosine = cosine, sine = sine] {
      auto put = [&](Value value, Value column) {
        Value single = arith::TruncFOp::create(b, b.getF32Type(), value);
        b.store(b.mulf(single, magnitude), destination, {row, column});
      };
      put(cosine, pair);
      put(sine, b.add(pair, part));
    });
  }
}

} // namespace llmc::codegen
