//===- RowKernel.cpp - kernels that work on whole rows -----------------------------------------------===//
//
// Rows are padded to whole vectors with zeros, and every kernel keeps the padding zero: weights and biases of
// norms are padded with zeros too.
//
//===------------------------------------------------------------------------------------------------===//

#include "codegen/cpu/RowKernel.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace llmc::codegen {

namespace {

int64_t widthOf(Value value) { return cast<RankedTensorType>(value.getType()).getDimSize(1); }

class RowEmitter {
public:
  RowEmitter(KernelBuilder &b, TileEmitter &tile) : b(b), tile(tile) {}

  /// Makes `value` available to tile.at(): computes the statistics of the norms that it is made of, first
  /// ones first.
  void prepare(Value value) {
    Operation *op = value.getDefiningOp();
    if (!op || tile.buffers.contains(value) || !prepared.insert(value).second)
      return;
    for (Value operand : op->getOperands())
      prepare(operand);
    if (auto norm = dyn_cast<nn::RmsNormOp>(op))
      rmsNorm(norm);
    else if (auto norm = dyn_cast<nn::LayerNormOp>(op))
      layerNorm(norm);
  }

  void storeFloats(Value value, Value destination) {
    forEachPanel(widthOf(value), [&](Value panel) {
      b.storeVector(tile.at(value, 0), destination, {tile.row, b.mul(panel, b.lanes)});
    });
  }

  void storeBf16(Value value, Value destination) {
    forEachPanel(widthOf(value), [&](Value panel) {
      Value rounded = b.roundToBf16(tile.at(value, 0));
      auto words = VectorType::get({b.lanes / 2}, b.getI32Type());
      vector::StoreOp::create(b, Value(vector::BitCastOp::create(b, words, rounded)), destination,
                              ValueRange{tile.row, b.mul(panel, b.lanes / 2)});
    });
  }

  /// Quantizes each group of 32 by its largest magnitude: as GGUF's Q8_0, or to 16 bits where records are
  /// wide.
  void storeRecords(Value value, Value destination) {
    const int64_t panelsPerGroup = ActivationRecord::groupSize / b.lanes;
    const bool wide = ActivationRecord::isWide(destination.getType());
    b.loop(b.index(0), b.index(widthOf(value) / ActivationRecord::groupSize), 1, [&](Value group) {
      at(b.mul(group, panelsPerGroup));
      SmallVector<Value> x;
      Value largest;
      for (int64_t i = 0; i < panelsPerGroup; ++i) {
        x.push_back(tile.at(value, i));
        Value magnitude = math::AbsFOp::create(b, x.back());
        largest = largest ? b.maxf(largest, magnitude) : magnitude;
      }
      Value scale = b.divf(b.maximum(largest), b.f32(wide ? 32512 : 127));
      Value isZero = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, scale, b.f32(0));
      Value inverse = arith::SelectOp::create(b, isZero, b.f32(0), b.divf(b.f32(1), scale));
      Value kept = scale;
      if (!wide) { // Q8_0 keeps its scale in f16.
        kept = b.extendF16(b.roundToF16(scale));
      }
      store(destination, group, ActivationRecord::scale, arith::BitcastOp::create(b, b.getI32Type(), kept));
      Value sums[2] = {b.i32(0), b.i32(0)};
      for (int64_t i = 0; i < panelsPerGroup; ++i) {
        Value codes = b.roundHalfAway(b.mulf(x[i], b.broadcast(inverse)));
        Value &sum = sums[i * b.lanes / 16];
        sum = b.add(sum, b.sum(codes));
        if (!wide) {
          storeBytes(destination, group, ActivationRecord::codes + i * b.lanes / 4, codes);
          continue;
        }
        // code = 256 high + low with low in -128 .. 127
        Value high = arith::ShRSIOp::create(b, b.add(codes, b.splatInt(128)), b.splatInt(8));
        Value low = arith::SubIOp::create(b, codes, Value(arith::ShLIOp::create(b, high, b.splatInt(8))));
        storeBytes(destination, group, ActivationRecord::codes + i * b.lanes / 4, high);
        storeBytes(destination, group, ActivationRecord::lowCodes + i * b.lanes / 4, low);
      }
      store(destination, group, ActivationRecord::lowSum, sums[0]);
      store(destination, group, ActivationRecord::highSum, sums[1]);
      Value sum = arith::SIToFPOp::create(b, b.getF32Type(), b.add(sums[0], sums[1]));
      store(destination, group, ActivationRecord::scaledSum,
            arith::BitcastOp::create(b, b.getI32Type(), b.mulf(kept, sum)));
    });
  }

private:
  void at(Value panel) {
    tile.base = panel;
    tile.reset();
  }

  void store(Value destination, Value group, int64_t word, Value value) {
    b.store(value, destination, {tile.row, group, b.index(word)});
  }

  /// The lanes of `values` as bytes, from word `word` of a record on.
  void storeBytes(Value destination, Value group, int64_t word, Value values) {
    Value bytes = arith::TruncIOp::create(b, VectorType::get({b.lanes}, b.getI8Type()), values);
    Value words = vector::BitCastOp::create(b, VectorType::get({b.lanes / 4}, b.getI32Type()), bytes);
    vector::StoreOp::create(b, words, destination, ValueRange{tile.row, group, b.index(word)});
  }

  void forEachPanel(int64_t width, llvm::function_ref<void(Value)> body) {
    b.loop(b.index(0), b.index(padTo(width, b.lanes) / b.lanes), 1, [&](Value panel) {
      at(panel);
      body(panel);
    });
  }

  /// Sum over the row of f(x) for the vectors x of `value`; lanes beyond the width count as zero if `masked`.
  Value sumOver(Value value, bool masked, llvm::function_ref<Value(Value)> f) {
    const int64_t width = widthOf(value), whole = masked ? width / b.lanes : padTo(width, b.lanes) / b.lanes;
    Value zero = b.splat(0);
    Value sums = b.loop(b.index(0), b.index(whole), 1, ValueRange{zero}, [&](Value panel, ValueRange sum) {
      at(panel);
      return SmallVector<Value>{b.addf(sum[0], f(tile.at(value, 0)))};
    })[0];
    if (masked && width % b.lanes != 0) {
      at(b.index(whole));
      Value last = arith::SelectOp::create(b, b.firstLanes(width % b.lanes), f(tile.at(value, 0)), zero);
      sums = b.addf(sums, last);
    }
    return b.sum(sums);
  }

  Value vectorAt(Value buffer, int64_t offset) {
    return b.loadVector(buffer, {b.mul(b.add(tile.base, offset), b.lanes)});
  }

  void rmsNorm(nn::RmsNormOp op) {
    Value sum = sumOver(op.getInput(), /*masked=*/false, [&](Value x) { return b.mulf(x, x); });
    Value mean = b.divf(sum, b.f32(widthOf(op.getInput())));
    Value root = math::SqrtOp::create(b, b.addf(mean, b.f32(op.getEpsilon().convertToDouble())));
    Value factor = b.broadcast(b.divf(b.f32(1), root));
    Value weight = tile.buffers.lookup(op.getWeight());
    tile.known[op.getResult()] = [this, op, factor, weight](int64_t offset) mutable {
      return b.mulf(b.mulf(tile.at(op.getInput(), offset), factor), vectorAt(weight, offset));
    };
  }

  void layerNorm(nn::LayerNormOp op) {
    const double width = widthOf(op.getInput());
    Value mean = b.broadcast(
        b.divf(sumOver(op.getInput(), /*masked=*/false, [](Value x) { return x; }), b.f32(width)));
    Value variance = b.divf(sumOver(op.getInput(), /*masked=*/true,
                                    [&](Value x) {
                                      Value d = b.subf(x, mean);
                                      return b.mulf(d, d);
                                    }),
                            b.f32(width));
    Value root = math::SqrtOp::create(b, b.addf(variance, b.f32(op.getEpsilon().convertToDouble())));
    Value factor = b.broadcast(b.divf(b.f32(1), root));
    Value weight = tile.buffers.lookup(op.getWeight());
    Value bias = op.getBias() ? tile.buffers.lookup(op.getBias()) : Value();
    tile.known[op.getResult()] = [this, op, mean, factor, weight, bias](int64_t offset) mutable {
      Value centred = b.mulf(b.subf(tile.at(op.getInput(), offset), mean), factor);
      Value y = b.mulf(centred, vectorAt(weight, offset));
      return bias ? b.addf(y, vectorAt(bias, offset)) : y;
    };
  }

  KernelBuilder &b;
  TileEmitter &tile;
  DenseSet<Value> prepared;
};

} // namespace

void RowKernel::emit(KernelBuilder &b, TileEmitter &tile) {
  b.loop(rowBegin, rowEnd, 1, [&](Value row) {
    tile.row = row;
    tile.known.clear();
    RowEmitter rows(b, tile);
    Type element = cast<RankedTensorType>(result.getType()).getElementType();
    if (element.isF32()) {
      rows.prepare(result);
      rows.storeFloats(result, destination);
      return;
    }
    Value input = result.getDefiningOp<nn::ConvertOp>().getInput();
    rows.prepare(input);
    element.isBF16() ? rows.storeBf16(input, destination) : rows.storeRecords(input, destination);
  });
}

void emitEmbedding(KernelBuilder &b, const PanelLayout &layout, int64_t width, Value table, Value ids,
                   Value destination, Value rowBegin, Value rowEnd) {
  auto bytes = [&](ValueRange at, int64_t count) -> Value {
    return vector::LoadOp::create(b, VectorType::get({count}, b.getI8Type()), table, at);
  };
  auto scalar = [&](Value bytes, Type type) -> Value {
    Value one = vector::BitCastOp::create(b, VectorType::get({1}, type), bytes);
    return vector::ExtractOp::create(b, one, 0);
  };
  b.loop(rowBegin, rowEnd, 1, [&](Value row) {
    Value id = arith::IndexCastOp::create(b, b.getIndexType(), b.load(ids, {row}));
    Value panel = b.div(id, b.lanes), lane = b.rem(id, b.lanes);
    b.loop(b.index(0), b.index(layout.groups(width)), 1, [&](Value group) {
      auto word = [&](int64_t t, Type type) {
        return scalar(bytes({panel, group, b.mul(b.add(lane, t * b.lanes), 4)}, 4), type);
      };
      auto put = [&](Value value, int64_t i) {
        b.store(value, destination, {row, b.add(b.mul(group, layout.groupSize), i)});
      };
      if (layout.kind == PanelLayout::Kind::F32)
        return put(word(0, b.getF32Type()), 0);
      if (layout.kind == PanelLayout::Kind::BF16) {
        Value pair = word(0, b.getI32Type());
        Value low = arith::ShLIOp::create(b, pair, b.i32(16));
        Value high = arith::AndIOp::create(b, pair, b.i32(static_cast<int32_t>(0xffff0000)));
        put(arith::BitcastOp::create(b, b.getF32Type(), low), 0);
        return put(arith::BitcastOp::create(b, b.getF32Type(), high), 1);
      }
      auto scale = [&](int64_t offset) -> Value {
        const int64_t size = layout.wideScales ? 4 : 2;
        Value at = b.add(b.mul(lane, size), offset);
        if (layout.wideScales)
          return scalar(bytes({panel, group, at}, size), b.getF32Type());
        return b.extendF16(scalar(bytes({panel, group, at}, size), b.getF16Type()));
      };
      Value factor = scale(layout.scaleOffset());
      Value minimum = layout.hasMin ? scale(layout.minOffset()) : Value();
      const int64_t codesPerWord = 32 / layout.codeBits;
      for (int64_t i = 0; i < layout.groupSize; ++i) {
        Value codes = word(i / codesPerWord, b.getI32Type());
        int64_t shift = layout.codeBits == 8 ? i % 4 * 8 : i % 4 * 8 + i % 8 / 4 * 4;
        Value code = arith::AndIOp::create(b, arith::ShRUIOp::create(b, codes, b.i32(shift)),
                                           b.i32((1 << layout.codeBits) - 1));
        Value centred = arith::SubIOp::create(b, code, b.i32(layout.zeroCode));
        Value value = b.mulf(arith::SIToFPOp::create(b, b.getF32Type(), centred), factor);
        put(minimum ? b.addf(value, minimum) : value, i);
      }
    });
    // Keep the padding of the row zero.
    const int64_t padded = cast<MemRefType>(destination.getType()).getDimSize(1);
    for (int64_t i = layout.groups(width) * layout.groupSize; i < padded; ++i)
      b.store(b.f32(0), destination, {row, b.index(i)});
  });
}

void emitSelectRows(KernelBuilder &b, Value source, Value ids, Value destination, Value rowBegin,
                    Value rowEnd) {
  const int64_t width = cast<MemRefType>(source.getType()).getDimSize(1);
  b.loop(rowBegin, rowEnd, 1, [&](Value row) {
    Value from = arith::IndexCastOp::create(b, b.getIndexType(), b.load(ids, {row}));
    b.loop(b.index(0), b.index(width), b.lanes, [&](Value column) {
      b.storeVector(b.loadVector(source, {from, column}), destination, {row, column});
    });
  });
}

void emitCopyRows(KernelBuilder &b, Value source, Value ids, Value destination, Value rowBegin,
                  Value rowEnd) {
  const int64_t width = cast<MemRefType>(destination.getType()).getDimSize(1);
  b.loop(rowBegin, rowEnd, 1, [&](Value row) {
    Value from = ids ? Value(arith::IndexCastOp::create(b, b.getIndexType(), b.load(ids, {row}))) : row;
    b.loop(b.index(0), b.index(width), b.lanes, [&](Value column) {
      Value left = arith::SubIOp::create(b, b.index(width), column);
      Value mask =
          vector::CreateMaskOp::create(b, VectorType::get({b.lanes}, b.getI1Type()), ValueRange{left});
      vector::MaskedStoreOp::create(b, destination, ValueRange{row, column}, mask,
                                    b.loadVector(source, {from, column}));
    });
  });
}

void emitRopeTable(KernelBuilder &b, nn::RopeTableOp op, Value positions, Value destination, Value rowBegin,
                   Value rowEnd) {
  const int64_t pairs = op.getDims() / 2, part = padTo(pairs, b.lanes);
  Value magnitude = b.f32(op.getMagnitude());
  SmallVector<double> frequencies = op.getFrequencies();
  b.loop(rowBegin, rowEnd, 1, [&](Value row) {
    // In double precision: at position 100,000 a float angle has lost three digits.
    Value position = arith::SIToFPOp::create(b, b.getF64Type(), b.load(positions, {row}));
    for (int64_t i = 0; i < part; ++i) {
      Value cosine = b.f32(0), sine = b.f32(0);
      if (i < pairs) {
        Value frequency = arith::ConstantOp::create(b, b.getF64FloatAttr(frequencies[i]));
        Value angle = b.mulf(position, frequency);
        cosine = b.mulf(arith::TruncFOp::create(b, b.getF32Type(), Value(math::CosOp::create(b, angle))),
                        magnitude);
        sine = b.mulf(arith::TruncFOp::create(b, b.getF32Type(), Value(math::SinOp::create(b, angle))),
                      magnitude);
      }
      b.store(cosine, destination, {row, b.index(i)});
      b.store(sine, destination, {row, b.index(part + i)});
    }
  });
}

} // namespace llmc::codegen
