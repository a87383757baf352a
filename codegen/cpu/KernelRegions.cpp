//===- KernelRegions.cpp - kernels in the making, and the regions that run them -----------------------===//

#include "codegen/cpu/KernelRegions.h"

#include "codegen/cpu/TileProduct.h"

using namespace mlir;

namespace llmc::codegen {

bool hasProduct(const PanelLayout &weights, Lowered::Kind input) {
  switch (weights.kind) {
  case PanelLayout::Kind::F32:
    return weights.source == blocks::StorageFormat::F32 && input == Lowered::Kind::Rows;
  case PanelLayout::Kind::BF16:
    return input == Lowered::Kind::Pairs;
  case PanelLayout::Kind::Codes:
    return input == Lowered::Kind::Blocks && weights.aligned;
  }
  return false;
}

KernelScope::KernelScope(ModuleOp module, StringRef name, Location loc, OpBuilder builder,
                         const Target &target)
    : b(loc, builder, target) {
  function = b.beginFunction(module, name, {});
  SymbolTable(module).insert(function);
  b.setInsertionPointToStart(&function.front());
}

Value KernelScope::import(Value operand) {
  Value &argument = imported[operand];
  if (!argument) {
    argument = function.front().addArgument(operand.getType(), operand.getLoc());
    operands.push_back(operand);
  }
  return argument;
}

KernelScope KernelRegions::makeKernel(StringRef name) {
  return KernelScope(f.module, (name + "_" + f.stepName).str(), loc, builder, f.target);
}

KernelWork KernelRegions::workOf(Operation *op, Value rows, double share) {
  KernelWork work = KernelWork::of(op, share);
  work.ofOutputs = f.isPublic && rows == f.created.getArgument(kOutputRows);
  return work;
}

void KernelRegions::runChunks(KernelScope &scope, Value chunks, const KernelWork &work) {
  scope.seal();
  scope.function->setAttr(kWorkAttribute, work.toAttribute(builder.getContext()));
  auto region =
      scf::ForallOp::create(builder, loc, getAsOpFoldResult(ValueRange{chunks}), ValueRange{}, std::nullopt);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(region.getBody());
  SmallVector<Value> operands = scope.operands;
  operands.push_back(region.getInductionVar(0));
  func::CallOp::create(builder, loc, scope.function, operands);
}

void KernelRegions::runOverRows(StringRef name, Value rows, Operation *op,
                                function_ref<void(KernelScope &, Value begin, Value end)> emit) {
  KernelScope scope = makeKernel(name);
  Value limit = scope.import(rows);
  // The chunk is the last argument, behind those that emit() imports.
  Value chunk = arith::ConstantIndexOp::create(scope.b, 0);
  Value begin = scope.b.mul(chunk, kRowsPerChunk),
        end = scope.b.min(scope.b.add(begin, kRowsPerChunk), limit);
  emit(scope, begin, end);
  chunk.replaceAllUsesWith(scope.addChunk());
  chunk.getDefiningOp()->erase();
  KernelWork work = op ? workOf(op, rows) : KernelWork{.operation = name.str(), .kernel = "rows"};
  runChunks(scope, ceilDiv(rows, kRowsPerChunk), work);
}

void KernelRegions::runOnEveryThread(KernelScope &scope) {
  scope.seal();
  auto call = func::CallOp::create(builder, loc, scope.function, scope.operands);
  call->setAttr(kEveryThreadAttribute, builder.getUnitAttr());
}

Value KernelRegions::allocateOnEveryThread(MemRefType type) {
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(&f.created.front());
  return memref::AllocaOp::create(builder, loc, type, builder.getI64IntegerAttr(64));
}

Lowered KernelRegions::destinationFor(RankedTensorType type, int64_t rowCount, Value rows,
                                      function_ref<Value(MemRefType)> allocate) {
  Type element = type.getElementType(), i32 = builder.getI32Type();
  const int64_t width = type.getDimSize(1), padded = padTo(width, f.target.lanes);
  if (element.isF32())
    return {Lowered::Kind::Rows,
            {allocate(bufferType({rowCount, padded}, builder.getF32Type()))},
            rows,
            {1, width, 0, 0}};
  // The matrix unit reads whole tiles of rows.
  const bool tiles = !isDecode() && (f.target.hasByteTiles || f.target.hasBf16Tiles);
  if (tiles)
    rowCount = padTo(rowCount, TileProduct::rows);
  if (element.isBF16())
    return {Lowered::Kind::Pairs, {allocate(bufferType({rowCount, padded / 2}, i32))}, rows, {}};
  const bool wide = cast<nn::BlockType>(element).getFormat() == nn::BlockFormat::Q16_K;
  const int64_t words = (wide ? ActivationBlock::wideWords : ActivationBlock::words) +
                        (f.target.sumsPairs() ? ActivationBlock::pairWords : 0),
                runs = padTo(width, ActivationBlock::run) / ActivationBlock::run;
  return {Lowered::Kind::Blocks, {allocate(bufferType({rowCount, runs, words}, i32))}, rows, {}};
}

} // namespace llmc::codegen
