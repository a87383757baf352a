//===- IntegerProduct.cpp - products of quantized weights and activations ------------------------------===//
//
// On vectors: with codes c of a group, its scale d and minimum m, and bytes x of activations,
//
//     sum of x (d c + m) = d (sum of x c) + m (sum of x)
//
// where the first sum comes from products of bytes and the second one from the activation block. Both fit 16
// bits for codes of 4 bits, so that one product of pairs, (sum of x c, sum of x) by (d, m), adds a group. For
// codes of more bits the sum of x c is split into a high and a low part, each with an accumulator of its own.
//
//===------------------------------------------------------------------------------------------------===//

#include "codegen/cpu/IntegerProduct.h"

#include "codegen/cpu/ByteSum.h"

using namespace mlir;

namespace llmc::codegen {

namespace {

/// Bits of the low part of a sum of products of bytes.
constexpr int32_t kLowBits = 10;

/// Sums of the integers of one run, for rows x panels.
class RunAccumulator {
public:
  RunAccumulator(IntegerProduct &product, ArrayRef<Value> rows, ArrayRef<Value> panels, Value run)
      : product(product), b(product.b), layout(product.layout), rows(rows), panels(panels), run(run),
        activations(b, product.x, run), splits(layout.codeBits > 4),
        keepsPairs(b.target.sumsPairs() && !splits && layout.groupSize == ActivationBlock::pairSumSize) {}

  /// T without its dropped bits: rows x panels.
  SmallVector<Value> total() {
    const int64_t groups = layout.groups(product.inputs);
    Value first = b.mul(run, layout.groupsPerRun());
    Value left = arith::SubIOp::create(b, b.index(groups), first);
    SmallVector<Value> zeros(size() * accumulators(), b.splatInt(0));
    SmallVector<Value> parts =
        b.loop(b.index(0), b.min(left, b.index(layout.groupsPerRun())), 1, zeros,
               [&](Value group, ValueRange carried) {
                 // Several rows take longer than the weights need to come. Of several panels what follows one
                 // is another.
                 if (rows.size() == 1 && panels.size() == 1)
                   reader(panels[0], b.add(first, group)).prefetch();
                 return keepsPairs ? addPairs(first, group, carried) : addGroup(first, group, carried);
               });
    SmallVector<Value> totals;
    for (int64_t i = 0; i < size(); ++i)
      totals.push_back(combine(ArrayRef(parts).slice(i * accumulators(), accumulators())));
    return totals;
  }

private:
  int64_t size() const { return rows.size() * panels.size(); }
  int64_t accumulators() const { return activations.parts() * (splits ? 2 : 1); }

  SmallVector<Value> addGroup(Value first, Value group, ValueRange carried) {
    const int64_t parts = activations.parts();
    SmallVector<Value> sums; // of activations: [row * parts + part]
    for (Value row : rows)
      for (int64_t part = 0; part < parts; ++part)
        sums.push_back(activations.sum(row, part, group, layout.groupSize));
    SmallVector<Value> integers = products(first, group, sums), next(carried);
    for (auto [p, panel] : llvm::enumerate(panels)) {
      Value scales = reader(panel, b.add(first, group)).alignedScales();
      for (size_t r = 0; r < rows.size(); ++r)
        for (int64_t part = 0; part < parts; ++part) {
          const int64_t cell = (r * panels.size() + p) * parts + part;
          MutableArrayRef<Value> accumulator =
              MutableArrayRef(next).slice(cell * (splits ? 2 : 1), splits ? 2 : 1);
          addProduct(accumulator, integers[cell], sums[r * parts + part], scales);
        }
    }
    return next;
  }

  /// As addGroup, where the products of a group fit 16 bits: with p and q the sums of every other pair of
  /// products, and d the scale, d (p + q) is one product of pairs, (p, q) by (d, d). So are minima and sums
  /// of activations.
  SmallVector<Value> addPairs(Value first, Value group, ValueRange carried) {
    const int64_t parts = activations.parts();
    auto halves = VectorType::get({2 * b.lanes}, b.getI16Type());
    SmallVector<Value> ofActivations, sums(size() * parts); // as in addGroup and products()
    for (auto [r, row] : llvm::enumerate(rows))
      for (int64_t part = 0; part < parts; ++part) {
        Value pair = vector::BitCastOp::create(b, halves, activations.pairSums(row, part, group));
        ofActivations.push_back(pair);
        if (layout.center() == 0)
          continue;
        Value center = arith::ConstantOp::create(
            b, DenseElementsAttr::get(halves, b.getI16IntegerAttr(static_cast<int16_t>(-layout.center()))));
        for (size_t p = 0; p < panels.size(); ++p)
          sums[(r * panels.size() + p) * parts + part] = b.mul(pair, center);
      }
    forEachWord(first, group, [&](size_t cell, Value codes, Value activation) {
      Value products = b.bytePairs(codes, activation);
      sums[cell] = sums[cell] ? b.add(sums[cell], products) : products;
    });
    SmallVector<Value> next(carried);
    for (auto [p, panel] : llvm::enumerate(panels)) {
      Value scales = vector::BitCastOp::create(b, halves, reader(panel, b.add(first, group)).alignedScales());
      SmallVector<int64_t> lower, upper;
      for (int64_t lane = 0; lane < b.lanes; ++lane) {
        lower.append(2, 2 * lane);
        upper.append(2, 2 * lane + 1);
      }
      Value scale = vector::ShuffleOp::create(b, scales, scales, lower), minimum;
      if (layout.hasMin)
        minimum = vector::ShuffleOp::create(b, scales, scales, upper);
      for (size_t r = 0; r < rows.size(); ++r)
        for (int64_t part = 0; part < parts; ++part) {
          const int64_t cell = (r * panels.size() + p) * parts + part;
          next[cell] = b.pairDot(next[cell], sums[cell], scale);
          if (minimum)
            next[cell] = b.pairDot(next[cell], ofActivations[r * parts + part], minimum);
        }
    }
    return next;
  }

  /// Calls `body` with the codes, as they are stored, and the bytes of activations of each word of a group:
  /// of cell (row * panels + panel) * parts + part.
  void forEachWord(Value first, Value group,
                   llvm::function_ref<void(size_t cell, Value codes, Value activation)> body) {
    const int64_t parts = activations.parts();
    const int64_t codesPerWord = layout.groupSize / 4 / layout.wordsPerGroup();
    Value firstWord = b.mul(group, layout.groupSize / 4);
    for (int64_t t = 0; t < layout.wordsPerGroup(); ++t)
      for (auto [p, panel] : llvm::enumerate(panels))
        for (auto [i, codes] : llvm::enumerate(reader(panel, b.add(first, group)).codes(t))) {
          Value word = b.add(firstWord, codesPerWord * t + static_cast<int64_t>(i));
          for (auto [r, row] : llvm::enumerate(rows))
            for (int64_t part = 0; part < parts; ++part)
              body((r * panels.size() + p) * parts + part, codes, activations.bytes(row, part, word));
        }
  }

  PanelReader reader(Value panel, Value group) {
    return PanelReader(b, product.w, layout, product.inputs, panel, group);
  }

  /// Sums of products of bytes with codes, counted from the center: [(row * panels + panel) * parts + part].
  SmallVector<Value> products(Value first, Value group, ArrayRef<Value> sums) {
    const int64_t parts = activations.parts();
    const int64_t codeBits = blocks::traitsOf(layout.source).codeBits;
    SmallVector<ByteSum> integers;
    for (size_t r = 0; r < rows.size(); ++r)
      for (size_t p = 0; p < panels.size(); ++p)
        for (int64_t part = 0; part < parts; ++part)
          integers.emplace_back(b, codeBits, layout.center(), sums[r * parts + part]);
    CodeBytes bytes;
    Value last;
    forEachWord(first, group, [&](size_t cell, Value codes, Value activation) {
      if (codes != last)
        bytes = splitCodes(b, last = codes, codeBits);
      integers[cell].add(bytes, activation);
    });
    return llvm::map_to_vector(integers, [](ByteSum &sum) { return sum.total(); });
  }

  /// Adds scale * integer + minimum * sum.
  void addProduct(MutableArrayRef<Value> accumulator, Value integer, Value sum, Value scales) {
    auto withSum = [&](Value low) {
      return layout.hasMin ? b.bitOr(b.bitAnd(low, 0xffff), b.shiftLeft(sum, 16)) : low;
    };
    if (!splits) {
      accumulator[0] = b.pairDot(accumulator[0], withSum(integer), scales);
      return;
    }
    Value low = b.bitAnd(integer, (1 << kLowBits) - 1), high = b.shiftRight(integer, kLowBits);
    Value scalesAlone = layout.hasMin ? b.bitAnd(scales, 0xffff) : scales;
    accumulator[0] = b.pairDot(accumulator[0], high, scalesAlone);
    accumulator[1] = b.pairDot(accumulator[1], withSum(low), scales);
  }

  /// T without its dropped bits from the accumulators of its parts.
  Value combine(ArrayRef<Value> parts) {
    const bool isWide = activations.parts() == 2;
    if (!splits)
      return isWide ? b.add(parts[0], b.shiftRight(parts[1], 8)) : parts[0];
    if (layout.weightBytes() == 2) {
      // Fits 32 bits, though its high part alone may not.
      Value high = b.add(b.shiftLeft(parts[0], kLowBits), parts[1]);
      if (!isWide)
        return high;
      return b.add(high, b.shiftRight(b.add(b.shiftLeft(parts[2], kLowBits), parts[3]), 8));
    }
    // Rounding down twice is rounding down once.
    Value lowest = b.shiftRight(parts.back(), 8);
    Value tail = b.add(b.shiftLeft(parts[parts.size() - 2], kLowBits - 8), lowest);
    if (!isWide)
      return tail;
    return b.add(b.shiftLeft(parts[0], kLowBits - 8), b.shiftRight(b.add(parts[1], tail), 8));
  }

  IntegerProduct &product;
  KernelBuilder &b;
  const PanelLayout &layout;
  ArrayRef<Value> rows, panels;
  Value run;
  ActivationReader activations;
  const bool splits;     ///< codes into halves
  const bool keepsPairs; ///< products of a group are added in 16 bits until they meet their scale
};

} // namespace

Value IntegerProduct::addScaled(Value sum, Value integer, Value units, Value activationScale) {
  return b.fma(arith::SIToFPOp::create(b, b.f32Vector, integer), b.mulf(units, activationScale), sum);
}

Value IntegerProduct::scaledUnits(Value panel, Value run) {
  Value units = loadUnits(b, w, panel, run);
  return b.mulf(units, b.splat(static_cast<double>(int64_t(1) << droppedBits())));
}

SmallVector<Value> IntegerProduct::sum(ArrayRef<Value> rows, ArrayRef<Value> panels) {
  SmallVector<Value> zeros(rows.size() * panels.size(), b.splat(0));
  return b.loop(b.index(0), b.index(layout.runs(inputs)), 1, zeros, [&](Value run, ValueRange carried) {
    // Before the records, as they lie in memory.
    SmallVector<Value> units =
        llvm::map_to_vector(panels, [&](Value panel) { return scaledUnits(panel, run); });
    SmallVector<Value> integers = RunAccumulator(*this, rows, panels, run).total(), next(carried);
    ActivationReader activations(b, x, run);
    for (size_t p = 0; p < panels.size(); ++p)
      for (auto [r, row] : llvm::enumerate(rows)) {
        const size_t cell = r * panels.size() + p;
        next[cell] = addScaled(next[cell], integers[cell], units[p], activations.scale(row));
      }
    return next;
  });
}

} // namespace llmc::codegen
