//===- FusionLowering.cpp - from a fusion to kernels and the regions that run them -------------------===//

#include "codegen/cpu/AttentionKernel.h"
#include "codegen/cpu/Bf16Product.h"
#include "codegen/cpu/FunctionLowering.h"
#include "codegen/cpu/FusionForm.h"
#include "codegen/cpu/HeadNormKernel.h"
#include "codegen/cpu/IntegerTile.h"
#include "codegen/cpu/KernelRegions.h"
#include "codegen/cpu/ProductKernel.h"
#include "codegen/cpu/RowKernel.h"
#include "codegen/cpu/TileProduct.h"
#include "passes/NotSupported.h"

using namespace mlir;

namespace llmc::codegen {

namespace {

int64_t widthOf(Value value) { return cast<RankedTensorType>(value.getType()).getDimSize(1); }

} // namespace

class FusionLowering : KernelRegions {
public:
  using KernelRegions::KernelRegions;

  LogicalResult lower(nn::FusionOp op) {
    fusion = op;
    Block &body = fusion.getBody().front();
    for (Operation &inner : body)
      if (auto product = dyn_cast<nn::LinearOp>(inner))
        return lowerProduct(product);
    for (Operation &inner : body) {
      if (auto attention = dyn_cast<nn::CachedAttentionOp>(inner))
        return lowerAttention(attention);
      if (auto experts = dyn_cast<nn::ExpertsOp>(inner))
        return lowerExperts(f, fusion, experts);
      if (auto embedding = dyn_cast<nn::EmbeddingOp>(inner))
        return lowerGather(embedding);
      if (auto select = dyn_cast<nn::SelectRowsOp>(inner))
        return lowerGather(select);
      if (auto table = dyn_cast<nn::RopeTableOp>(inner))
        return lowerGather(table);
    }
    if (nn::RmsNormOp norm = groupNormOf(fusion))
      return lowerHeadNorm(norm);
    return lowerRows();
  }

  void copyToOutput(const Lowered &source) {
    Value wantedRows = f.created.getArgument(kOutputRows);
    runOverRows("copy", wantedRows, nullptr, [&](KernelScope &scope, Value begin, Value end) {
      Value from = scope.import(source.memrefs[0]), to = scope.import(f.created.getArgument(kOutput));
      Value ids = source.rows == wantedRows ? Value() : scope.import(f.created.getArgument(kOutputIds));
      emitCopyRows(scope.b, from, ids, to, begin, end);
    });
  }

private:
  //===--------------------------------------------------------------------===//
  // Row kernels
  //===--------------------------------------------------------------------===//

  /// Computes `result`, a value of the fusion, for all rows. In a step of one row every thread does so for
  /// itself, which costs less than waiting for another.
  FailureOr<Lowered> lowerRowKernel(Value result, bool privately, StringRef name) {
    for (Value value : sliceOf(result))
      if (!outerValue(value) && failed(checkRowOperation(value.getDefiningOp(), result)))
        return failure();
    Value rows = rowsOf(result);
    if (!rows)
      return refuseWithoutRows();
    Lowered lowered =
        destinationFor(cast<RankedTensorType>(result.getType()), f.maxRows, rows, [&](MemRefType type) {
          return privately ? allocateOnEveryThread(type) : f.allocate(loc, type);
        });
    return emitRowKernel(result, lowered, privately, name);
  }

  FailureOr<Lowered> emitRowKernel(Value result, Lowered lowered, bool privately, StringRef name) {
    LogicalResult status = success();
    auto emit = [&](KernelScope &scope, Value begin, Value end) {
      TileEmitter tile(scope.b);
      if (failed(importOperands(importTo(scope), tile, result, Value()))) {
        status = failure();
        return;
      }
      RowKernel kernel{result, scope.import(lowered.memrefs[0]), begin, end};
      kernel.emit(scope.b, tile);
    };
    if (privately) {
      KernelScope scope = makeKernel(name);
      emit(scope, scope.b.index(0), scope.b.index(1));
      runOnEveryThread(scope);
    } else {
      runOverRows(name, lowered.rows, name == "rows" ? fusion.getOperation() : result.getDefiningOp(), emit);
    }
    if (failed(status))
      return failure();
    return lowered;
  }

  LogicalResult lowerRows() {
    auto yield = cast<nn::YieldOp>(fusion.getBody().front().getTerminator());
    for (auto [inner, outer] : llvm::zip(yield.getValues(), fusion.getResults())) {
      auto type = dyn_cast<RankedTensorType>(inner.getType());
      if (!type || type.getRank() != 2)
        return emitNotSupported(fusion) << "yields a value of type " << inner.getType()
                                        << " that no row kernel of the CPU code generator makes";
      for (Operation &op : fusion.getBody().front().without_terminator())
        if (failed(checkRowOperation(&op, inner)))
          return failure();
      Value rows = rowsOf(inner);
      if (!rows)
        return refuseWithoutRows();
      Lowered lowered =
          type.getElementType().isF32()
              ? f.allocateRows(outer, {1, widthOf(outer), 0, 0}, rows)
              : destinationFor(type, f.maxRows, rows, [&](MemRefType t) { return f.allocate(loc, t); });
      FailureOr<Lowered> made = emitRowKernel(inner, lowered, /*privately=*/false, "rows");
      if (failed(made))
        return failure();
      f.values[outer] = *made;
    }
    return success();
  }

  //===--------------------------------------------------------------------===//
  // Norms of heads
  //===--------------------------------------------------------------------===//

  LogicalResult lowerHeadNorm(nn::RmsNormOp norm) {
    if (failed(checkHeadNorm(fusion, norm)))
      return failure();
    FailureOr<Lowered> input = operand(norm.getInput());
    if (failed(input) || failed(checkHeadNormLayout(norm, input->layout, f.target.lanes)))
      return failure();
    HeadNormKernel kernel{};
    kernel.norm = norm;
    kernel.layout = layoutOf(norm);
    const WidthLayout &layout = kernel.layout;
    FailureOr<Value> weight =
        parameter(norm.getWeight(), {1, layout.headSize, layout.rotaryDims, layout.style});
    if (failed(weight))
      return failure();
    LogicalResult status = success();
    runOverRows("head_norm", input->rows, fusion, [&](KernelScope &scope, Value begin, Value end) {
      TileEmitter tile(scope.b);
      auto import = importTo(scope);
      tile.buffers[norm.getInput()] = scope.import(input->memrefs[0]);
      if (failed(addStores(import, input->rows, kernel.stores, kernel.cacheRows))) {
        status = failure();
        return;
      }
      for (const Store &store : kernel.stores)
        if (failed(importStored(import, tile, norm, store)))
          status = failure();
      kernel.weight = scope.import(*weight);
      kernel.rowBegin = begin;
      kernel.rowEnd = end;
      if (succeeded(status))
        kernel.emit(scope.b, tile);
    });
    return status;
  }

  /// Makes what `store` is computed from, beside `norm`, known to a tile emitter.
  LogicalResult importStored(Import import, TileEmitter &tile, nn::RmsNormOp norm, const Store &store) {
    if (!outerValue(store.value)) {
      if (failed(checkHeadNormLayout(norm, store.layout, f.target.lanes)))
        return failure();
      return importOperands(import, tile, store.value, norm.getResult());
    }
    FailureOr<Lowered> lowered = operand(store.value);
    if (failed(lowered))
      return failure();
    if (lowered->kind != Lowered::Kind::Rows || !isKeptAs(lowered->layout, store.layout, f.target.lanes))
      return emitNotSupported(norm)
             << "over groups is in one kernel with an append of values in another layout "
                "than the cache's, which is not supported by the CPU code generator";
    tile.buffers[store.value] = import(lowered->memrefs[0]);
    return success();
  }

  //===--------------------------------------------------------------------===//
  // Gathers
  //===--------------------------------------------------------------------===//

  LogicalResult lowerGather(Operation *op) {
    if (!llvm::hasSingleElement(fusion.getBody().front().without_terminator()))
      return emitNotSupported(op) << "is not supported together with other operations in one kernel";
    Value result = fusion.getResult(0);
    FailureOr<Lowered> ids = operand(isa<nn::SelectRowsOp>(op) ? op->getOperand(1) : op->getOperand(0));
    if (failed(ids))
      return failure();
    if (auto table = dyn_cast<nn::RopeTableOp>(op)) {
      const int64_t half = padTo(table.getDims() / 2, f.target.lanes);
      Lowered lowered{Lowered::Kind::Rows,
                      {f.allocate(loc, bufferType({f.maxRows, 2 * half}, builder.getF32Type()))},
                      ids->rows,
                      {1, static_cast<int64_t>(table.getDims()), 0, 0}};
      runOverRows("rope_table", ids->rows, op, [&](KernelScope &scope, Value begin, Value end) {
        Value positions = scope.import(ids->memrefs[0]), to = scope.import(lowered.memrefs[0]);
        emitRopeTable(scope.b, table, positions, to, begin, end);
      });
      f.values[result] = lowered;
      return success();
    }
    Lowered lowered = f.allocateRows(result, {1, widthOf(result), 0, 0}, ids->rows);
    if (auto embedding = dyn_cast<nn::EmbeddingOp>(op)) {
      FailureOr<Value> table = parameter(embedding.getTable(), {});
      if (failed(table))
        return failure();
      PanelLayout layout = PanelLayout::get(
          cast<RankedTensorType>(embedding.getTable().getType()).getElementType(), f.target.lanes);
      runOverRows("embedding", ids->rows, op, [&](KernelScope &scope, Value begin, Value end) {
        Value from = scope.import(*table), which = scope.import(ids->memrefs[0]),
              to = scope.import(lowered.memrefs[0]);
        emitEmbedding(scope.b, layout, widthOf(result), from, which, to, begin, end);
      });
    } else {
      FailureOr<Lowered> source = operand(op->getOperand(0));
      if (failed(source))
        return failure();
      runOverRows("select_rows", ids->rows, op, [&](KernelScope &scope, Value begin, Value end) {
        Value from = scope.import(source->memrefs[0]), which = scope.import(ids->memrefs[0]),
              to = scope.import(lowered.memrefs[0]);
        emitSelectRows(scope.b, from, which, to, begin, end);
      });
    }
    f.values[result] = lowered;
    return success();
  }

  //===--------------------------------------------------------------------===//
  // Attention
  //===--------------------------------------------------------------------===//

  LogicalResult lowerAttention(nn::CachedAttentionOp op) {
    if (!llvm::hasSingleElement(fusion.getBody().front().without_terminator()))
      return emitNotSupported(op) << "is not supported together with other operations in one kernel";
    FailureOr<Lowered> query = operand(op.getQuery()), cache = operand(op.getCache()),
                       positions = operand(op.getPositions());
    if (failed(query) || failed(cache) || failed(positions))
      return failure();
    const int64_t heads = op.getHeads();
    KernelScope scope = makeKernel("attention");
    AttentionKernel kernel{};
    kernel.op = op;
    kernel.headDim = widthOf(op.getQuery()) / heads;
    kernel.alignedQuery = cast<MemRefType>(cache->memrefs[0].getType()).getDimSize(2);
    kernel.alignedValue = cast<MemRefType>(cache->memrefs[1].getType()).getDimSize(2);
    if (query->kind != Lowered::Kind::Rows || query->layout.heads != heads ||
        query->layout.alignedHead(f.target.lanes) != kernel.alignedQuery)
      return emitNotSupported(op) << "has queries in another layout than its keys";
    Lowered result = f.allocateRows(fusion.getResult(0), {1, widthOf(op.getResult()), 0, 0}, query->rows);
    kernel.query = scope.import(query->memrefs[0]);
    kernel.keys = scope.import(cache->memrefs[0]);
    kernel.values = scope.import(cache->memrefs[1]);
    kernel.cacheRows = importRows(importTo(scope), *cache, *positions);
    kernel.destination = scope.import(result.memrefs[0]);
    kernel.rows = scope.import(query->rows);
    if (Value bias = op.getBias()) {
      if (!cast<RankedTensorType>(bias.getType()).getElementType().isF32())
        return emitNotSupported(op) << "has a bias of " << bias.getType() << ", expected one of f32";
      FailureOr<Value> packed = parameter(bias, {});
      if (failed(packed))
        return failure();
      kernel.bias = scope.import(*packed);
    }
    kernel.chunk = scope.addChunk();
    kernel.rowsPerTile = isDecode() ? 1 : 4;
    kernel.isDecode = isDecode();
    kernel.emit(scope.b);
    KernelWork work = workOf(fusion, query->rows);
    work.kernel = "online softmax, " + std::to_string(kernel.rowsPerTile) +
                  (kernel.rowsPerTile == 1 ? " row" : " rows");
    runChunks(scope, kernel.chunks(builder, loc, query->rows), work);
    f.values[fusion.getResult(0)] = result;
    return success();
  }

  //===--------------------------------------------------------------------===//
  // Products
  //===--------------------------------------------------------------------===//

  LogicalResult lowerProduct(nn::LinearOp op) {
    auto weightType = cast<RankedTensorType>(op.getWeight().getType());
    ProductKernel kernel{};
    kernel.linear = op;
    kernel.weights = PanelLayout::get(weightType.getElementType(), f.target.lanes);
    kernel.inputs = weightType.getDimSize(1);
    if (kernel.weights.source == blocks::StorageFormat::F16)
      return emitNotSupported(op) << "has a weight of f16, which nn-set-compute-type converts first";

    FailureOr<Lowered> input = outerValue(op.getInput())
                                   ? operand(op.getInput())
                                   : lowerRowKernel(op.getInput(), isDecode(), "prologue");
    if (failed(input))
      return failure();
    if (!hasProduct(kernel.weights, input->kind))
      return emitNotSupported(op) << "has an input of " << op.getInput().getType() << " for a weight of "
                                  << weightType << ", for which the CPU code generator has no kernel";

    if (splitOf(op) && !op.getResult().hasOneUse())
      return emitNotSupported(op) << "has a result that is split and read in another way too, which is not "
                                     "supported by the CPU code generator";
    KernelScope scope = makeKernel("product");
    TileEmitter tile(scope.b);
    SmallVector<int64_t> segments = placeParts(op, tile);
    FailureOr<Value> weight = parameter(op.getWeight(), segments);
    if (failed(weight))
      return failure();
    kernel.x = scope.import(input->memrefs[0]);
    kernel.w = scope.import(*weight);
    if (op.getBias()) {
      FailureOr<Value> bias = parameter(op.getBias(), segments);
      if (failed(bias))
        return failure();
      kernel.bias = scope.import(*bias);
    }
    kernel.rows = scope.import(input->rows);
    kernel.rowsAreChosen = f.isPublic && input->rows == f.created.getArgument(kOutputRows);
    auto import = importTo(scope);
    if (failed(addStores(import, op, kernel.stores, kernel.cacheRows)))
      return failure();
    for (const Store &store : kernel.stores)
      if (failed(checkEpilogue(op, store, f.target.lanes)) ||
          failed(importOperands(import, tile, store.value, op.getResult())))
        return failure();
    chooseTiles(kernel, tile, cast<MemRefType>(weight->getType()));
    kernel.chunk = scope.addChunk();
    kernel.emit(scope.b, tile);
    KernelWork work = workOf(fusion, input->rows);
    work.setProduct(op.getInput(), kernel.weights, f.target, kernel.matrixTiles && !kernel.isDecode,
                    kernel.isDecode ? 1 : kernel.rowsPerTile, kernel.panelsPerTile);
    Value chunks = index(kernel.chunksPerBlock(f.target.lanes));
    if (kernel.rowsPerBlock > 0)
      chunks = arith::MulIOp::create(builder, loc, kernel.blocks(builder, loc, input->rows), chunks);
    runChunks(scope, chunks, work);
    return success();
  }

  /// Rows whose activations, of type `x`, stay in a core's second cache while tile after tile reads them: a
  /// multiple of `height`.
  static int64_t rowsInCache(MemRefType x, int64_t height) {
    constexpr int64_t kBytes = 160 << 10, kLeast = 16;
    int64_t rowBytes = x.getElementTypeBitWidth() / 8;
    for (int64_t size : x.getShape().drop_front())
      rowBytes *= size;
    return std::max(kBytes / rowBytes, kLeast) / height * height;
  }

  /// Tiles that fill the registers without spilling, and chunks that are worth claiming.
  void chooseTiles(ProductKernel &kernel, TileEmitter &tile, MemRefType weight) {
    // Panels of the product that one panel of a store needs: two for a gated activation.
    size_t factor = 1;
    tile.productResult = kernel.linear.getResult();
    for (const Store &store : kernel.stores) {
      SmallVector<int64_t> needed;
      if (store.layout.rotaryDims == 0)
        tile.demand(store.value, 0, needed);
      factor = std::max(factor, needed.size());
    }
    const bool codes = kernel.weights.kind == PanelLayout::Kind::Codes, wide = f.target.registers >= 32;
    int64_t panels = wide ? 4 : codes ? 1 : 2;
    kernel.isDecode = isDecode();
    if (!isDecode()) {
      kernel.matrixTiles = TileProduct::applies(f.target, kernel.weights);
      // Of bf16, pairs that are taken apart need registers too.
      const bool pairs = kernel.weights.kind == PanelLayout::Kind::BF16;
      const bool wideCodes = codes && ActivationBlock::isWide(kernel.x.getType()); // with twice as many sums
      kernel.rowsPerTile = codes ? (wide || !wideCodes ? 4 : 2) : wide ? 8 : pairs ? 4 : 6;
      panels = 2;
    }
    if (!isDecode() && !kernel.matrixTiles)
      kernel.rowsPerBlock = rowsInCache(cast<MemRefType>(kernel.x.getType()), kernel.rowsPerTile);
    kernel.panelsPerTile = std::max<int64_t>(1, panels / static_cast<int64_t>(factor));
    const int64_t tiles = kernel.tiles(f.target.lanes), bytes = weight.getNumElements();
    int64_t perChunk = (tiles + kMaxChunks - 1) / kMaxChunks;
    if (isDecode())
      perChunk = std::max(perChunk, kMinBytesPerChunk * tiles / std::max<int64_t>(bytes, 1));
    kernel.tilesPerChunk = std::clamp<int64_t>(perChunk, 1, tiles);
  }
};

std::pair<MemRefType, MemRefType> CpuKernelLowering::cacheTypes(const WidthLayout &key,
                                                                const WidthLayout &value, Type element,
                                                                int64_t positions) const {
  const int64_t keys = AttentionKernel::keysPerBlock(lanes), padded = padTo(positions, keys);
  return {bufferType({key.heads, padded / keys, key.alignedHead(lanes), keys}, element),
          bufferType({value.heads, padded, value.alignedHead(lanes)}, element)};
}

LogicalResult CpuKernelLowering::lowerFusion(FunctionLowering &lowering, nn::FusionOp fusion) {
  return FusionLowering(lowering, fusion.getLoc()).lower(fusion);
}

void CpuKernelLowering::lowerCopyToOutput(FunctionLowering &lowering, Location loc, const Lowered &source) {
  FusionLowering(lowering, loc).copyToOutput(source);
}

} // namespace llmc::codegen
