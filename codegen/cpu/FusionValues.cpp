//===- FusionValues.cpp - what a fusion reads and stores, for the kernels of all targets ----------------===//

#include "codegen/cpu/FusionValues.h"

#include "codegen/cpu/FusionForm.h"
#include "passes/NotSupported.h"

using namespace mlir;

namespace llmc::codegen {

FailureOr<Lowered> FusionValues::operand(Value inner) {
  Value outer = outerValue(inner);
  auto it = outer ? f.values.find(outer) : f.values.end();
  if (it == f.values.end())
    return emitNotSupported(loc) << "has an operand that the CPU code generator did not lower";
  return it->second;
}

FailureOr<Value> FusionValues::parameter(Value inner, ArrayRef<int64_t> segments) {
  if (Value outer = outerValue(inner))
    return f.parameter(loc, outer, segments);
  return emitNotSupported(inner.getDefiningOp())
         << "computes a parameter inside of a kernel, which the CPU code generator does not support";
}

LogicalResult FusionValues::importOperands(Import import, TileEmitter &tile, Value value, Value stop) {
  for (Value inner : sliceOf(value, stop)) {
    Value outer = outerValue(inner);
    if (!outer || isa<nn::KvCacheType>(inner.getType()) || tile.buffers.contains(inner))
      continue;
    if (nn::isParameter(outer)) {
      if (cast<RankedTensorType>(outer.getType()).getRank() != 1)
        return emitNotSupported(loc) << "reads a parameter of type " << outer.getType()
                                     << " element by element, expected activations";
      FailureOr<Value> memref = f.parameter(loc, outer, {});
      if (failed(memref))
        return failure();
      tile.buffers[inner] = import(*memref);
      continue;
    }
    FailureOr<Lowered> lowered = operand(inner);
    if (failed(lowered))
      return failure();
    const bool hasPlace = llvm::any_of(inner.getUsers(), llvm::IsaPred<arith::AddFOp, nn::CacheAppendOp>);
    const bool isInPlace =
        hasPlace ? isKeptAs(lowered->layout, layoutOf(inner), f.target.lanes) : lowered->layout.isPlain();
    if (!isInPlace && llvm::any_of(inner.getUsers(), llvm::IsaPred<nn::CacheAppendOp>))
      return emitNotSupported(loc)
             << "appends keys that another kernel has rotated, as it does where the values "
                "go through an adapter: expected heads whose halves are whole vectors of "
             << f.target.lanes << " elements, or the adapter merged";
    if (lowered->kind != Lowered::Kind::Rows || !isInPlace)
      return emitNotSupported(loc) << "reads a value element-wise that is kept in another layout";
    tile.buffers[inner] = import(lowered->memrefs[0]);
  }
  return success();
}

Value FusionValues::rowsOf(Value value) {
  if (Value outer = outerValue(value)) {
    auto it = f.values.find(outer);
    return it == f.values.end() ? Value() : it->second.rows;
  }
  for (Value input : value.getDefiningOp()->getOperands())
    if (Value rows = rowsOf(input))
      return rows;
  return {};
}

SmallVector<int64_t> FusionValues::placeParts(nn::LinearOp op, TileEmitter &tile) {
  SmallVector<Value> parts{op.getResult()};
  if (nn::SplitOp split = splitOf(op))
    parts.assign(split.getResults().begin(), split.getResults().end());
  SmallVector<int64_t> segments;
  int64_t panel = 0;
  bool moved = false;
  for (Value part : parts) {
    WidthLayout layout = layoutOf(part);
    tile.splitBase[part] = panel;
    panel += layout.panels(f.target.lanes);
    segments.append({layout.heads, layout.headSize, layout.rotaryDims, layout.style});
    // Only the last part may end within a panel: packing pads it.
    moved |= !isInOrder(layout, f.target.lanes) ||
             (layout.isPlain() && layout.headSize % f.target.lanes != 0 && part != parts.back());
  }
  return moved ? segments : SmallVector<int64_t>();
}

LogicalResult FusionValues::addStores(Import import, Value rows, std::vector<Store> &stores,
                                      CacheRows &cacheRows) {
  auto yield = cast<nn::YieldOp>(fusion.getBody().front().getTerminator());
  for (auto [inner, outer] : llvm::zip(yield.getValues(), fusion.getResults())) {
    if (auto append = inner.getDefiningOp<nn::CacheAppendOp>()) {
      FailureOr<Lowered> cache = operand(append.getCache()), at = operand(append.getPositions());
      if (failed(cache) || failed(at))
        return failure();
      cacheRows = importRows(import, *cache, *at);
      stores.push_back(
          {Store::Kind::CacheKey, append.getKey(), import(cache->memrefs[0]), layoutOf(append.getKey())});
      auto type = append.getCache().getType();
      stores.push_back({Store::Kind::CacheValue,
                        append.getValue(),
                        import(cache->memrefs[1]),
                        {type.getHeads(), type.getHeadDim(), 0, 0}});
      f.values[outer] = *cache;
      continue;
    }
    auto type = dyn_cast<RankedTensorType>(inner.getType());
    if (!type || !type.getElementType().isF32())
      return emitNotSupported(fusion)
             << "yields a value of type " << inner.getType()
             << " from a kernel that makes f32, which is not supported by the CPU code generator";
    Lowered result = allocateResult(outer, layoutOf(inner), rows);
    bool isOutput = f.isPublic && result.memrefs[0] == f.created.getArgument(kOutput);
    stores.push_back({isOutput ? Store::Kind::Output : Store::Kind::Rows, inner, import(result.memrefs[0]),
                      result.layout});
    f.values[outer] = result;
  }
  return success();
}

LogicalResult FusionValues::refuseWithoutRows() {
  return emitNotSupported(loc) << "is computed from parameters alone, expected activations";
}

} // namespace llmc::codegen
