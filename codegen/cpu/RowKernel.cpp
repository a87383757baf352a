//===- RowKernel.cpp - kernels that work on whole rows -----------------------------------------------===//
//
// Rows are padded to whole vectors with zeros, and every kernel keeps the padding zero: weights and biases of
// norms are padded with zeros too.
//
//===------------------------------------------------------------------------------------------------===//

#include "codegen/cpu/RowKernel.h"

#include "codegen/cpu/PanelReader.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace llmc::codegen {

namespace {

int64_t widthOf(Value value) { return cast<RankedTensorType>(value.getType()).getDimSize(1); }

class RowEmitter {
public:
  RowEmitter(KernelBuilder &b, TileEmitter &tile, const std::optional<RowKernel::Team> &team)
      : b(b), tile(tile), team(team) {}

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
    if (cast<MemRefType>(destination.getType()).getElementType().isBF16())
      return storeBf16Elements(value, destination);
    forEachPanel(widthOf(value), [&](Value panel) {
      Value rounded = b.roundToBf16(tile.at(value, 0));
      auto words = VectorType::get({b.lanes / 2}, b.getI32Type());
      vector::StoreOp::create(b, Value(vector::BitCastOp::create(b, words, rounded)), destination,
                              ValueRange{tile.row, b.mul(panel, b.lanes / 2)});
    });
  }

  /// Quantizes each run of 128 by its largest magnitude, to 16 bits where blocks are wide, else to 8.
  void storeBlocks(Value value, Value destination) {
    const int64_t width = widthOf(value), whole = width / ActivationBlock::run,
                  left = width % ActivationBlock::run;
    b.loop(b.index(0), b.index(whole), 1,
           [&](Value run) { storeBlock(value, destination, run, ActivationBlock::run); });
    if (left != 0)
      storeBlock(value, destination, b.index(whole), left);
  }

private:
  /// Rows of bf16 with zeros behind them, for products that read beyond the width.
  void storeBf16Elements(Value value, Value destination) {
    const int64_t width = widthOf(value), padded = cast<MemRefType>(destination.getType()).getDimSize(1);
    forEachPanel(width, [&](Value panel) {
      b.storeVector(b.roundToBf16(tile.at(value, 0)), destination, {tile.row, b.mul(panel, b.lanes)});
    });
    Value zero = arith::ConstantOp::create(b, b.getFloatAttr(b.getBF16Type(), 0));
    auto clear = [&](Value column) { b.store(zero, destination, {tile.row, column}); };
    if (width < padded)
      b.loop(b.add(team ? team->thread : b.index(0), width), b.index(padded), team ? team->threads : 1,
             clear);
  }

  /// Loops over the panels, of `count`, that this thread takes. Their number is a constant where all threads
  /// have as many, so that the loop can be unrolled: loads that wait for each other take most of the time of
  /// a single row.
  SmallVector<Value> overPanels(int64_t count, ValueRange carried,
                                llvm::function_ref<SmallVector<Value>(Value, ValueRange)> body) {
    if (!team)
      return b.loop(b.index(0), b.index(count), 1, carried, body);
    if (count % team->threads != 0)
      return b.loop(team->thread, b.index(count), team->threads, carried, body);
    return b.loop(b.index(0), b.index(count / team->threads), 1, carried, [&](Value i, ValueRange now) {
      return body(b.add(team->thread, b.mul(i, team->threads)), now);
    });
  }

  void at(Value panel) {
    tile.base = panel;
    tile.reset();
  }

  void storeBlock(Value value, Value destination, Value run, int64_t elements) {
    const int64_t vectors = elements / b.lanes, vectorsPerSum = ActivationBlock::sumSize / b.lanes;
    const bool wide = ActivationBlock::isWide(destination.getType());
    Value firstPanel = b.mul(run, ActivationBlock::run / b.lanes), zero = b.splat(0);
    Value largest =
        b.loop(b.index(0), b.index(vectors), 1, ValueRange{zero}, [&](Value i, ValueRange carried) {
          at(b.add(firstPanel, i));
          return SmallVector<Value>{b.maxf(carried[0], Value(math::AbsFOp::create(b, tile.at(value, 0))))};
        })[0];
    Value scale = b.divf(b.maximum(largest), b.f32(wide ? 32639 : 127));
    Value isZero = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, scale, b.f32(0));
    Value inverse = b.broadcast(arith::SelectOp::create(b, isZero, b.f32(0), b.divf(b.f32(1), scale)));
    auto put = [&](Value word, Value number) { b.store(number, destination, {tile.row, run, word}); };
    put(b.index(ActivationBlock::scale), arith::BitcastOp::create(b, b.getI32Type(), scale));
    b.loop(b.index(0), b.index(vectors / vectorsPerSum), 1, [&](Value i) {
      at(b.add(firstPanel, b.mul(i, vectorsPerSum)));
      Value sums;
      for (int64_t v = 0; v < vectorsPerSum; ++v) {
        Value codes = b.roundHalfAway(b.mulf(tile.at(value, v), inverse));
        Value word = b.add(b.mul(i, ActivationBlock::sumSize / 4), v * b.lanes / 4);
        Value high = codes, both;
        if (wide) {
          high = b.shiftRight(b.add(codes, b.splatInt(128)), 8);
          Value low = arith::SubIOp::create(b, codes, b.shiftLeft(high, 8));
          low = arith::MaxSIOp::create(b, low, b.splatInt(-127));
          storeBytes(destination, run, b.add(word, ActivationBlock::lowCodes), low);
          both = b.add(b.shiftLeft(high, 16), low);
        } else {
          both = b.shiftLeft(codes, 16);
        }
        storeBytes(destination, run, b.add(word, ActivationBlock::codes), high);
        sums = sums ? b.add(sums, both) : both;
      }
      put(b.add(i, ActivationBlock::sums), b.sum(sums));
    });
    if (!b.target.sumsPairs())
      return;
    for (int64_t part = 0; part < (wide ? 2 : 1); ++part)
      storePairSums(destination, run, part, elements);
  }

  /// Writes the pair sums of part `part` of the codes that a block has.
  void storePairSums(Value destination, Value run, int64_t part, int64_t elements) {
    constexpr int64_t words = ActivationBlock::pairSumSize / 4;
    const int64_t codes = part == 0 ? ActivationBlock::codes : ActivationBlock::lowCodes;
    b.loop(b.index(0), b.index(elements / ActivationBlock::pairSumSize), 1, [&](Value i) {
      Value four = vector::LoadOp::create(b, VectorType::get({words}, b.getI32Type()), destination,
                                          ValueRange{tile.row, run, b.add(b.mul(i, words), codes)});
      auto byte = [&](int n) { return b.shiftRight(b.shiftLeft(four, 24 - 8 * n), 24); };
      Value lower = b.sum(b.add(byte(0), byte(1))), upper = b.sum(b.add(byte(2), byte(3)));
      Value both = b.bitOr(b.bitAnd(lower, 0xffff), b.shiftLeft(upper, 16));
      b.store(both, destination,
              {tile.row, run, b.add(i, ActivationBlock::pairSums(destination.getType(), part))});
    });
  }

  /// The lanes of `values` as bytes, from word `word` of a block on.
  void storeBytes(Value destination, Value run, Value word, Value values) {
    Value bytes = arith::TruncIOp::create(b, VectorType::get({b.lanes}, b.getI8Type()), values);
    Value words = vector::BitCastOp::create(b, VectorType::get({b.lanes / 4}, b.getI32Type()), bytes);
    vector::StoreOp::create(b, words, destination, ValueRange{tile.row, run, word});
  }

  void forEachPanel(int64_t width, llvm::function_ref<void(Value)> body) {
    overPanels(padTo(width, b.lanes) / b.lanes, {}, [&](Value panel, ValueRange) {
      at(panel);
      body(panel);
      return SmallVector<Value>();
    });
  }

  /// Sum over the row of f(x) for the vectors x of `value`; lanes beyond the width count as zero if `masked`.
  Value sumOver(Value value, bool masked, llvm::function_ref<Value(Value)> f) {
    const int64_t width = widthOf(value), whole = masked ? width / b.lanes : padTo(width, b.lanes) / b.lanes;
    Value zero = b.splat(0);
    Value sums = overPanels(whole, ValueRange{zero}, [&](Value panel, ValueRange sum) {
      at(panel);
      return SmallVector<Value>{b.addf(sum[0], f(tile.at(value, 0)))};
    })[0];
    if (masked && width % b.lanes != 0) {
      at(b.index(whole));
      Value last = arith::SelectOp::create(b, b.firstLanes(width % b.lanes), f(tile.at(value, 0)), zero);
      sums = b.addf(sums, last);
    }
    return team ? team->sum(b.sum(sums)) : b.sum(sums);
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
  const std::optional<RowKernel::Team> &team;
  DenseSet<Value> prepared;
};

} // namespace

void RowKernel::emit(KernelBuilder &b, TileEmitter &tile) {
  b.loop(rowBegin, rowEnd, 1, [&](Value row) {
    tile.row = row;
    tile.known.clear();
    RowEmitter rows(b, tile, team);
    Type element = cast<RankedTensorType>(result.getType()).getElementType();
    if (element.isF32()) {
      rows.prepare(result);
      rows.storeFloats(result, destination);
      return;
    }
    Value input = result.getDefiningOp<nn::ConvertOp>().getInput();
    rows.prepare(input);
    element.isBF16() ? rows.storeBf16(input, destination) : rows.storeBlocks(input, destination);
  });
}

void emitEmbedding(KernelBuilder &b, const PanelLayout &layout, int64_t width, Value table, Value ids,
                   Value destination, Value rowBegin, Value rowEnd) {
  auto scalar = [&](Value bytes, Type type) -> Value {
    Value one = vector::BitCastOp::create(b, VectorType::get({1}, type), bytes);
    return vector::ExtractOp::create(b, one, 0);
  };
  b.loop(rowBegin, rowEnd, 1, [&](Value row) {
    Value id = arith::IndexCastOp::create(b, b.getIndexType(), b.load(ids, {row}));
    Value panel = b.div(id, b.lanes), lane = b.rem(id, b.lanes);
    b.loop(b.index(0), b.index(layout.groups(width)), 1, [&](Value group) {
      PanelReader record(b, table, layout, width, panel, group);
      auto word = [&](int64_t t, Type type) {
        return scalar(record.bytes(b.mul(b.add(lane, t * b.lanes), 4), 4), type);
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
      auto number = [&](int64_t offset, int64_t size, Type type) {
        return scalar(record.bytes(b.add(b.mul(lane, size), offset), size), type);
      };
      Value factor, minimum;
      if (layout.aligned) {
        auto integer = [&](int64_t offset) -> Value {
          const int64_t size = layout.scaleBytes() / layout.lanes;
          Value bits = scalar(record.bytes(b.add(b.mul(lane, size), offset), 2), b.getI16Type());
          return arith::SIToFPOp::create(b, b.getF32Type(), bits);
        };
        Value run = b.div(group, layout.groupsPerRun());
        Value unit = vector::ExtractOp::create(b, loadUnits(b, table, panel, run), lane);
        factor = b.mulf(integer(layout.scaleOffset()), unit);
        if (layout.hasMin)
          minimum = b.mulf(integer(layout.scaleOffset() + 2), unit);
      } else {
        auto scale = [&](int64_t offset) -> Value {
          if (layout.wideScales)
            return number(offset, 4, b.getF32Type());
          return b.extendF16(number(offset, 2, b.getF16Type()));
        };
        factor = scale(layout.scaleOffset());
        if (layout.hasMin)
          minimum = scale(layout.minOffset());
      }
      const int64_t zero = layout.aligned ? layout.center() : layout.zeroCode;
      const int64_t codesPerWord = 32 / layout.codeBits;
      for (int64_t i = 0; i < layout.groupSize; ++i) {
        Value codes = word(i / codesPerWord, b.getI32Type());
        int64_t shift = layout.codeBits == 8 ? i % 4 * 8 : i % 4 * 8 + i % 8 / 4 * 4;
        Value code = arith::AndIOp::create(b, arith::ShRUIOp::create(b, codes, b.i32(shift)),
                                           b.i32((1 << layout.codeBits) - 1));
        Value centred = arith::SubIOp::create(b, code, b.i32(static_cast<int32_t>(zero)));
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
  const int64_t pairs = op.getDims() / 2, part = cast<MemRefType>(destination.getType()).getDimSize(1) / 2;
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
