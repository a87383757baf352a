//===- TensorCore.cpp - instructions of GPUs that several kernels use ----------------------------------===//

#include "codegen/cuda/TensorCore.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;

namespace llmc::codegen {

Value sharedPointer(KernelBuilder &builder, Value address) {
  auto type =
      LLVM::LLVMPointerType::get(builder.getContext(), static_cast<unsigned>(NVVM::NVVMMemorySpace::Shared));
  Value number = arith::IndexCastOp::create(builder, builder.getI64Type(), address);
  return LLVM::IntToPtrOp::create(builder, type, number);
}

void multiplyAdd(KernelBuilder &builder, ArrayRef<Value> a, ArrayRef<Value> b, MutableArrayRef<Value> sums) {
  Type f32 = builder.getF32Type();
  auto type = LLVM::LLVMStructType::getLiteral(builder.getContext(), SmallVector<Type>(sums.size(), f32));
  std::array<NVVM::MMATypes, 2> types{NVVM::MMATypes::bf16, NVVM::MMATypes::bf16};
  std::array<NVVM::MMALayout, 2> layouts{NVVM::MMALayout::row, NVVM::MMALayout::col};
  Value result =
      NVVM::MmaOp::create(builder, type, a, b, ValueRange(ArrayRef<Value>(sums)),
                          ArrayRef<int64_t>{16, 8, 16}, std::nullopt, std::nullopt, types, layouts);
  for (auto [i, sum] : llvm::enumerate(sums))
    sum = LLVM::ExtractValueOp::create(builder, f32, result, ArrayRef<int64_t>{static_cast<int64_t>(i)});
}

/// `tail` is what the instruction ends with: immediates behind the operands.
static void warpgroupProduct(KernelBuilder &builder, ArrayRef<Value> operands, StringRef operandText,
                             StringRef constraints, StringRef tail, MutableArrayRef<Value> sums) {
  Type f32 = builder.getF32Type();
  const size_t count = sums.size();
  std::string text, results, inputs;
  llvm::raw_string_ostream out(text);
  out << kWarpgroupProduct << ".sync.aligned.m64n" << 2 * count << "k16.f32.bf16.bf16 {";
  for (size_t i = 0; i < count; ++i) {
    out << (i ? ", " : "") << "$" << i;
    results += "=f,";
    inputs += "," + std::to_string(i);
  }
  out << "}, " << operandText << ", p, 1, 1, " << tail << "; }";
  auto type = LLVM::LLVMStructType::getLiteral(builder.getContext(), SmallVector<Type>(count, f32));
  SmallVector<Value> all(operands);
  all.append(sums.begin(), sums.end());
  Value result = LLVM::InlineAsmOp::create(
                     builder, TypeRange{type}, all, builder.getStringAttr(text),
                     builder.getStringAttr(results + constraints.str() + inputs), builder.getUnitAttr(),
                     UnitAttr(), LLVM::TailCallKindAttr::get(builder.getContext(), LLVM::TailCallKind::None),
                     LLVM::AsmDialectAttr(), ArrayAttr())
                     .getResult(0);
  for (auto [i, sum] : llvm::enumerate(sums))
    sum = LLVM::ExtractValueOp::create(builder, f32, result, ArrayRef<int64_t>{static_cast<int64_t>(i)});
}

/// Operand `number` of those behind the sums, in the text of an instruction.
static std::string operandText(size_t sums, size_t number) { return "$" + std::to_string(sums + number); }

static std::string flag(bool transposed) { return transposed ? "1" : "0"; }

void warpgroupMultiplyAdd(KernelBuilder &builder, ArrayRef<Value> a, const MatrixOperand &b,
                          MutableArrayRef<Value> sums) {
  auto text = [&](size_t number) { return operandText(sums.size(), number); };
  SmallVector<Value> operands(a);
  operands.push_back(b.descriptor);
  warpgroupProduct(builder, operands,
                   "{" + text(0) + ", " + text(1) + ", " + text(2) + ", " + text(3) + "}, " + text(4),
                   "r,r,r,r,l", flag(b.transposed), sums);
}

void warpgroupMultiplyAdd(KernelBuilder &builder, const MatrixOperand &a, const MatrixOperand &b,
                          MutableArrayRef<Value> sums) {
  warpgroupProduct(builder, {a.descriptor, b.descriptor},
                   operandText(sums.size(), 0) + ", " + operandText(sums.size(), 1), "l,l",
                   flag(a.transposed) + ", " + flag(b.transposed), sums);
}

MatrixOperand MatrixOperand::from(KernelBuilder &builder, int64_t k) const {
  constexpr int64_t kRowBytes = 128, kPanelInputs = 64, kUnit = 16; // bytes, of addresses in descriptors
  const int64_t bytes = transposed ? k * kRowBytes : k / kPanelInputs * panelBytes + k % kPanelInputs * 2;
  Value advance = arith::ConstantOp::create(builder, builder.getI64IntegerAttr(bytes / kUnit));
  return {arith::AddIOp::create(builder, descriptor, advance), transposed, panelBytes};
}

void holdInRegisters(KernelBuilder &builder, MutableArrayRef<Value> values) {
  SmallVector<Type> types;
  std::string results, inputs;
  for (auto [i, value] : llvm::enumerate(values)) {
    types.push_back(value.getType());
    results += i ? "," : "";
    results += value.getType().isF32() ? "=f" : "=r";
    inputs += "," + std::to_string(i);
  }
  auto type = LLVM::LLVMStructType::getLiteral(builder.getContext(), types);
  Value held = LLVM::InlineAsmOp::create(
                   builder, TypeRange{type}, ValueRange(ArrayRef<Value>(values)), builder.getStringAttr(""),
                   builder.getStringAttr(results + inputs), builder.getUnitAttr(), UnitAttr(),
                   LLVM::TailCallKindAttr::get(builder.getContext(), LLVM::TailCallKind::None),
                   LLVM::AsmDialectAttr(), ArrayAttr())
                   .getResult(0);
  for (auto [i, value] : llvm::enumerate(values))
    value = LLVM::ExtractValueOp::create(builder, types[i], held, ArrayRef<int64_t>{static_cast<int64_t>(i)});
}

Value matrixDescriptor(KernelBuilder &b, Value address, int64_t panelBytes) {
  auto number = [&](int64_t value) -> Value {
    return arith::ConstantOp::create(b, b.getI64IntegerAttr(value));
  };
  constexpr int64_t kAddressBits = 0x3ffff, kEightRows = 1024, kSwizzle128 = int64_t{1} << 62;
  Value place = arith::ShRUIOp::create(b, arith::AndIOp::create(b, address, number(kAddressBits)), number(4));
  return arith::OrIOp::create(b, place, number(kSwizzle128 | kEightRows >> 4 << 32 | panelBytes >> 4 << 16));
}

Value packPair(KernelBuilder &b, Value low, Value high) {
  Value both = vector::FromElementsOp::create(b, VectorType::get({2}, b.getF32Type()), ValueRange{low, high});
  Value pair = arith::TruncFOp::create(b, VectorType::get({2}, b.getBF16Type()), both);
  Value word = vector::BitCastOp::create(b, VectorType::get({1}, b.getI32Type()), pair);
  return vector::ExtractOp::create(b, word, 0);
}

Value exp2(KernelBuilder &builder, Value x) {
  return LLVM::CallIntrinsicOp::create(builder, builder.getF32Type(),
                                       builder.getStringAttr("llvm.nvvm.ex2.approx.ftz.f32"), ValueRange{x})
      .getResult(0);
}

} // namespace llmc::codegen
