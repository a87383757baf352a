//===- FragmentReader.cpp - weights in registers, as tensor cores take them ----------------------------===//

#include "codegen/cuda/FragmentReader.h"

#include "codegen/cuda/TensorCore.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;

namespace llmc::codegen {

/// `count` 32-bit words of a tile from byte `offset` on, a multiple of their size.
Value FragmentReader::words(Value tile, Value offset, int64_t count) {
  auto bytes = VectorType::get({4 * count}, b.getI8Type());
  Value loaded = vector::LoadOp::create(b, bytes, weights, ValueRange{tile, offset}, /*nontemporal=*/false,
                                        llvm::MaybeAlign(4 * count));
  return vector::BitCastOp::create(b, VectorType::get({count}, b.getI32Type()), loaded);
}

FragmentReader::Record FragmentReader::load(Value tile, Value record) {
  Record result;
  Value base = b.mul(record, layout.recordBytes());
  auto append = [&](SmallVector<Value> &to, Value offset, int64_t bytes) {
    for (int64_t at = 0; at < bytes;) {
      const int64_t size = std::min<int64_t>(16, bytes - at);
      Value vector = words(tile, b.add(offset, at), size / 4);
      for (int64_t i = 0; i < size / 4; ++i)
        to.push_back(vector::ExtractOp::create(b, vector, i));
      at += size;
    }
  };
  constexpr int64_t loadBytes = 16;
  for (int64_t at = 0; at < layout.codeBytes(); at += GpuKernel::warp * loadBytes)
    append(result.codes, b.add(b.add(base, b.mul(lane, loadBytes)), at), loadBytes);
  if (layout.isQuantized()) {
    Value g = b.div(lane, 4);
    append(result.scales, b.add(b.add(base, b.mul(g, 2 * layout.outputScaleBytes())), layout.scaleOffset(0)),
           2 * layout.outputScaleBytes());
  }
  return result;
}

void FragmentReader::append(const Record &record, SmallVectorImpl<Value> &words) {
  llvm::append_range(words, record.codes);
  llvm::append_range(words, record.scales);
}

SmallVector<FragmentReader::Record> FragmentReader::split(ValueRange words, size_t count) const {
  SmallVector<Record> records(count);
  const size_t perRecord = words.size() / count,
               codes = static_cast<size_t>(layout.codeBytes()) / (4 * GpuKernel::warp);
  for (auto [i, record] : llvm::enumerate(records)) {
    ValueRange own = words.slice(i * perRecord, perRecord);
    record.codes.assign(own.begin(), own.begin() + codes);
    record.scales.assign(own.begin() + codes, own.end());
  }
  return records;
}

SmallVector<Value, 4> FragmentReader::operand(const Record &record, int64_t step) {
  SmallVector<Value, 4> registers;
  if (layout.codeBits == 16) {
    for (int64_t r = 0; r < 4; ++r)
      registers.push_back(record.codes[step * 4 + r]);
    return registers;
  }
  if (layout.codeBits == 4) {
    // A code in the lowest bits of a bf16 of 128 makes it 128 + code.
    constexpr int32_t kMask = 0x000f000f, k128 = 0x43004300;
    for (int64_t r = 0; r < 4; ++r) {
      Value word = record.codes[step];
      if (r > 0)
        word = arith::ShRUIOp::create(b, word, b.i32(static_cast<int32_t>(4 * r)));
      auto bits =
          LLVM::InlineAsmOp::create(b, b.getI32Type(), ValueRange{word, b.i32(kMask), b.i32(k128)}, kAndOr,
                                    "=r,r,n,n", /*has_side_effects=*/false, /*is_align_stack=*/false,
                                    LLVM::TailCallKind::None, LLVM::AsmDialectAttr(), ArrayAttr());
      registers.push_back(bits.getRes());
    }
    return registers;
  }
  for (int64_t r = 0; r < 4; ++r) {
    SmallVector<Value, 2> pair = numbers(record, step, r);
    registers.push_back(packPair(b, pair[0], pair[1]));
  }
  return registers;
}

SmallVector<Value, 2> FragmentReader::numbers(const Record &record, int64_t step, int64_t r) {
  // A code in the lowest bits of an f32 of 2^23 makes it 2^23 + code.
  constexpr int32_t kTwo23 = 0x4b000000;
  const bool isByte = layout.codeBits == 8;
  Value word = record.codes[isByte ? step * 2 + r / 2 : step];
  SmallVector<Value, 2> numbers;
  for (int64_t half = 0; half < 2; ++half) {
    const auto shift = static_cast<int32_t>(isByte ? 16 * (r % 2) + 8 * half : 4 * r + 16 * half);
    Value code = arith::AndIOp::create(b, shift ? Value(arith::ShRUIOp::create(b, word, b.i32(shift))) : word,
                                       b.i32(isByte ? 0xff : 0xf));
    Value number =
        arith::BitcastOp::create(b, b.getF32Type(), Value(arith::OrIOp::create(b, code, b.i32(kTwo23))));
    numbers.push_back(b.subf(number, b.f32(8388608.0 + layout.zeroCode)));
  }
  return numbers;
}

SmallVector<Value, 4> FragmentReader::scaledOperand(const Record &record, int64_t step) {
  if (!layout.isQuantized())
    return operand(record, step);
  const int64_t group = step * FragmentLayout::stepInputs / layout.groupSize;
  SmallVector<Value, 4> registers;
  for (int64_t r = 0; r < 4; ++r) {
    auto [scale, minimum] = this->scale(record, group, r % 2);
    SmallVector<Value, 2> pair = numbers(record, step, r);
    for (Value &number : pair)
      number = minimum ? Value(LLVM::FMAOp::create(b, number, scale, minimum)) : b.mulf(number, scale);
    registers.push_back(packPair(b, pair[0], pair[1]));
  }
  return registers;
}

/// Number `index` of a list of scales and minima.
Value FragmentReader::scaleNumber(ArrayRef<Value> words, int64_t index) {
  if (layout.wideScales)
    return arith::BitcastOp::create(b, b.getF32Type(), words[index]);
  Value word = words[index / 2];
  Value half = arith::TruncIOp::create(b, b.getI16Type(),
                                       index % 2 ? Value(arith::ShRUIOp::create(b, word, b.i32(16))) : word);
  return arith::ExtFOp::create(b, b.getF32Type(), Value(arith::BitcastOp::create(b, b.getF16Type(), half)));
}

std::pair<Value, Value> FragmentReader::scale(const Record &record, int64_t group, int64_t high) {
  const int64_t numbers = layout.hasMin ? 2 : 1, index = (high * layout.groups() + group) * numbers;
  return {scaleNumber(record.scales, index), layout.hasMin ? scaleNumber(record.scales, index + 1) : Value()};
}

Value FragmentReader::element(Value tile, Value output, Value input) {
  Value base = b.mul(b.div(input, FragmentLayout::recordInputs), layout.recordBytes());
  Value inRecord = b.rem(input, FragmentLayout::recordInputs);
  Value step = b.div(inRecord, FragmentLayout::stepInputs);
  Value owner = b.add(b.mul(b.rem(output, 8), 4), b.div(b.rem(inRecord, 8), 2));
  Value high = b.div(output, 8), upper = b.rem(b.div(inRecord, 8), 2), half = b.rem(inRecord, 2);
  Value which = b.add(high, b.mul(upper, 2)); // register
  constexpr int64_t loadBytes = 16;
  const int64_t stepBytes = layout.codeBits, stepsPerLoad = loadBytes / stepBytes;
  Value offset = b.add(b.add(base, b.mul(b.div(step, stepsPerLoad), GpuKernel::warp * loadBytes)),
                       b.add(b.mul(owner, loadBytes), b.mul(b.rem(step, stepsPerLoad), stepBytes)));
  auto toI32 = [&](Value index) -> Value { return arith::IndexCastOp::create(b, b.getI32Type(), index); };
  auto firstWord = [&](Value at) -> Value { return vector::ExtractOp::create(b, words(tile, at, 1), 0); };
  auto shifted = [&](Value word, Value bits) -> Value {
    return arith::ShRUIOp::create(b, word, toI32(bits));
  };
  if (layout.codeBits == 16) {
    Value word = firstWord(b.add(offset, b.mul(which, 4)));
    Value bits = b.shiftLeft(shifted(word, b.mul(half, 16)), 16);
    return arith::BitcastOp::create(b, b.getF32Type(), bits);
  }
  Value code;
  if (layout.codeBits == 8)
    code = shifted(firstWord(b.add(offset, b.mul(b.div(which, 2), 4))),
                   b.add(b.mul(b.rem(which, 2), 16), b.mul(half, 8)));
  else
    code = shifted(firstWord(offset), b.add(b.mul(which, 4), b.mul(half, 16)));
  code = b.bitAnd(code, (1 << layout.codeBits) - 1);
  Value centred = arith::SubIOp::create(b, code, b.i32(static_cast<int32_t>(layout.zeroCode)));
  const int64_t numberBytes = layout.scaleBytes(), numbers = layout.hasMin ? 2 : 1;
  Value place = b.add(b.add(base, layout.codeBytes()),
                      b.add(b.mul(b.rem(output, 8), 2 * layout.outputScaleBytes()),
                            b.add(b.mul(high, layout.outputScaleBytes()),
                                  b.mul(b.div(inRecord, layout.groupSize), numbers * numberBytes))));
  auto number = [&](int64_t index) -> Value {
    Type element = layout.wideScales ? Type(b.getF32Type()) : Type(b.getF16Type());
    auto bytes = VectorType::get({numberBytes}, b.getI8Type());
    Value loaded =
        vector::LoadOp::create(b, bytes, weights, ValueRange{tile, b.add(place, index * numberBytes)},
                               /*nontemporal=*/false, llvm::MaybeAlign(numberBytes));
    Value one = vector::ExtractOp::create(
        b, Value(vector::BitCastOp::create(b, VectorType::get({1}, element), loaded)), 0);
    return layout.wideScales ? one : Value(arith::ExtFOp::create(b, b.getF32Type(), one));
  };
  Value value = b.mulf(arith::SIToFPOp::create(b, b.getF32Type(), centred), number(0));
  return layout.hasMin ? b.addf(value, number(1)) : value;
}

} // namespace llmc::codegen
