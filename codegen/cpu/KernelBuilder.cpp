//===- KernelBuilder.cpp - vocabulary of the kernel emitters -------------------------------------------===//

#include "codegen/cpu/KernelBuilder.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

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

Value KernelBuilder::byteDot(Value accumulator, Value codes, Value activation) {
  if (target.hasByteDot) {
    auto bytes = VectorType::get({4 * lanes}, getI8Type());
    Value a = vector::BitCastOp::create(*this, bytes, codes),
          b = vector::BitCastOp::create(*this, bytes, activation);
    StringRef name = lanes == 16 ? "llvm.x86.avx512.vpdpbusd.512" : "llvm.x86.avx512.vpdpbusd.256";
    return LLVM::CallIntrinsicOp::create(*this, i32Vector, getStringAttr(name), ValueRange{accumulator, a, b})
        .getResult(0);
  }
  for (int byte = 0; byte < 4; ++byte) {
    Value code = arith::AndIOp::create(*this, arith::ShRUIOp::create(*this, codes, splatInt(8 * byte)),
                                       splatInt(0xff));
    // The sign comes along when the byte is shifted down from the top.
    Value signedByte = arith::ShRSIOp::create(
        *this, arith::ShLIOp::create(*this, activation, splatInt(24 - 8 * byte)), splatInt(24));
    accumulator = add(accumulator, mul(code, signedByte));
  }
  return accumulator;
}

Value KernelBuilder::bf16Dot(Value accumulator, Value a, Value b) {
  if (target.hasBf16Dot) {
    auto pairs = VectorType::get({2 * lanes}, getBF16Type());
    Value x = vector::BitCastOp::create(*this, pairs, a), y = vector::BitCastOp::create(*this, pairs, b);
    StringRef name = lanes == 16 ? "llvm.x86.avx512bf16.dpbf16ps.512" : "llvm.x86.avx512bf16.dpbf16ps.256";
    return LLVM::CallIntrinsicOp::create(*this, f32Vector, getStringAttr(name), ValueRange{accumulator, x, y})
        .getResult(0);
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

Value KernelBuilder::roundToBf16(Value value) {
  auto like = [&](Type element) -> Type {
    auto vector = dyn_cast<VectorType>(value.getType());
    return vector ? Type(vector.clone(element)) : element;
  };
  if (target.hasBf16Dot)
    return arith::TruncFOp::create(*this, like(getBF16Type()), value);
  // LLVM would call a function for each element, which no artifact has.
  auto constant = [&](int32_t n) { return isa<VectorType>(value.getType()) ? splatInt(n) : i32(n); };
  Value bits = arith::BitcastOp::create(*this, like(getI32Type()), value);
  Value isOdd = arith::AndIOp::create(*this, arith::ShRUIOp::create(*this, bits, constant(16)), constant(1));
  Value rounded = arith::ShRUIOp::create(*this, add(bits, add(isOdd, constant(0x7fff))), constant(16));
  Value isNan = arith::CmpFOp::create(*this, arith::CmpFPredicate::UNO, value, value);
  rounded = arith::SelectOp::create(*this, isNan, constant(0x7fc0), rounded);
  return arith::BitcastOp::create(*this, like(getBF16Type()),
                                  arith::TruncIOp::create(*this, like(getI16Type()), rounded));
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
