//===- CudaKernelLowering.cpp - from fusions to kernels for NVIDIA GPUs --------------------------------===//

#include "codegen/cuda/CudaKernelLowering.h"

#include "codegen/cpu/FusionForm.h"
#include "codegen/cpu/FusionValues.h"
#include "codegen/cpu/RowKernel.h"
#include "codegen/cuda/FlashAttention.h"
#include "codegen/cuda/FragmentProduct.h"
#include "codegen/cuda/GatherKernels.h"
#include "codegen/cuda/GpuAttention.h"
#include "codegen/cuda/TensorCore.h"
#include "passes/NotSupported.h"

using namespace mlir;

namespace llmc::codegen {

namespace {

/// Threads that share a row in row kernels.
constexpr int64_t kRowThreads = 256;
/// Rows of a block of a product in steps of many rows.
constexpr int64_t kProductRows = 128;
constexpr int64_t kProductWarps = 8;
/// Blocks of attention that a device works on at once, and the most that share the keys of a head.
constexpr int64_t kBlocksOfDevice = 264, kMostSplits = 32;
/// In steps of one row, and of the few rows whose outputs are wanted.
constexpr int64_t kFewRows = 8;

int64_t widthOf(Value value) { return cast<RankedTensorType>(value.getType()).getDimSize(1); }

} // namespace

class CudaFusionLowering : FusionValues {
public:
  using FusionValues::FusionValues;
  bool streamsWeights = false; ///< CudaKernelLowering's

  LogicalResult lower(nn::FusionOp op) {
    fusion = op;
    Block &body = fusion.getBody().front();
    for (Operation &inner : body)
      if (auto product = dyn_cast<nn::LinearOp>(inner))
        return lowerProduct(product);
    for (Operation &inner : body) {
      if (auto attention = dyn_cast<nn::CachedAttentionOp>(inner))
        return lowerAttention(attention);
      if (isa<nn::EmbeddingOp, nn::SelectRowsOp, nn::RopeTableOp>(inner))
        return lowerGather(&inner);
      if (isa<nn::ExpertsOp>(inner))
        return emitNotSupported(&inner) << "is not supported by the code generator for GPUs";
    }
    return lowerRows();
  }

  void copyToOutput(const Lowered &source) {
    Value wanted = f.created.getArgument(kOutputRows);
    GpuKernel kernel = makeKernel("copy", kRowThreads);
    Value from = kernel.import(source.memrefs[0]), to = kernel.import(f.created.getArgument(kOutput));
    Value ids = source.rows == wanted ? Value() : kernel.import(f.created.getArgument(kOutputIds));
    emitGpuCopyRows(kernel, cast<MemRefType>(to.getType()).getDimSize(1), from, ids, to);
    kernel.launch(builder, wanted, index(1));
  }

private:
  bool isDecode() const { return f.maxRows == 1; }

  /// The conversion to bf16 that `inner`, a value of a fusion, is.
  static nn::ConvertOp bf16Conversion(Value inner) {
    auto convert = inner.getDefiningOp<nn::ConvertOp>();
    return convert && cast<RankedTensorType>(convert.getType()).getElementType().isBF16() ? convert
                                                                                          : nn::ConvertOp();
  }

  /// Whether products alone read `outer`, and as bf16: it is then rounded where it is made.
  static bool isReadAsBf16(Value outer) {
    constexpr int64_t whole = FragmentLayout::recordInputs; // products read whole records
    if (widthOf(outer) % whole != 0 || outer.use_empty())
      return false;
    return llvm::all_of(outer.getUses(), [](OpOperand &use) {
      auto reader = dyn_cast<nn::FusionOp>(use.getOwner());
      return reader && llvm::all_of(reader.getBody().getArgument(use.getOperandNumber()).getUsers(),
                                    [](Operation *user) {
                                      return user->getNumResults() == 1 &&
                                             bf16Conversion(user->getResult(0)) &&
                                             llvm::all_of(user->getUsers(), llvm::IsaPred<nn::LinearOp>);
                                    });
    });
  }

  Lowered allocateResult(Value outer, const WidthLayout &layout, Value rows) override {
    if (layout.isPlain() && isReadAsBf16(outer))
      return {Lowered::Kind::Pairs,
              {f.allocate(loc, bufferType({f.maxRows, widthOf(outer)}, builder.getBF16Type()))},
              rows,
              layout};
    return f.allocateRows(outer, layout, rows);
  }
  Value index(int64_t value) { return arith::ConstantIndexOp::create(builder, loc, value); }

  GpuKernel makeKernel(StringRef name, int64_t threads) {
    GpuKernel made(f.module, (name + "_" + f.stepName).str(), loc, builder, threads);
    if (form)
      *form ? made.keepOnlyFor(kWarpgroupArch) : made.leaveOutFor(kWarpgroupArch);
    return made;
  }
  /// Has `lower` make kernels for all architectures; if some `hasOwn`, for all but sm_90a and for that alone.
  LogicalResult inForms(bool hasOwn, llvm::function_ref<LogicalResult(bool isOwn)> lower) {
    if (!hasOwn)
      return lower(false);
    for (bool isOwn : {false, true}) {
      form = isOwn;
      if (failed(lower(isOwn)))
        return failure();
    }
    form.reset();
    return success();
  }
  static auto importTo(GpuKernel &kernel) {
    return [&kernel](Value operand) { return kernel.import(operand); };
  }

  //===--------------------------------------------------------------------===//
  // Row kernels
  //===--------------------------------------------------------------------===//

  /// Memory for rows of `value`, a value of the fusion that `outer` is outside of it, if it is.
  FailureOr<Lowered> allocateFor(Value value, Value outer, Value rows) {
    Type element = cast<RankedTensorType>(value.getType()).getElementType();
    if (element.isBF16()) {
      // Products read whole records of inputs.
      MemRefType type = bufferType({f.maxRows, padTo(widthOf(value), FragmentLayout::recordInputs)}, element);
      return Lowered{Lowered::Kind::Pairs, {f.allocate(loc, type)}, rows, {}};
    }
    if (!element.isF32())
      return emitNotSupported(loc) << "makes rows of " << element << ", for which no kernel of GPUs exists";
    if (outer) // row kernels of f32 store what they compute as it is
      return f.allocateRows(outer, {1, widthOf(value), 0, 0}, rows);
    return Lowered{Lowered::Kind::Rows,
                   {f.allocate(loc, bufferType({f.maxRows, padTo(widthOf(value), f.target.lanes)}, element))},
                   rows,
                   {1, widthOf(value), 0, 0}};
  }

  /// A builder of row kernels in `kernel`: of four elements at a time where they are as many in every value.
  KernelBuilder rowBuilder(GpuKernel &kernel, Value result) {
    bool whole = true;
    for (Value value : sliceOf(result))
      if (auto type = dyn_cast<RankedTensorType>(value.getType()); type && type.getRank() == 2)
        whole &= type.getDimSize(1) % kGpuVector == 0;
    KernelBuilder rows(loc, kernel.b, gpuThread(whole ? kGpuVector : 1));
    return rows;
  }

  static RowKernel::Team teamOf(GpuKernel &kernel, KernelBuilder &rows) {
    return {kernel.thread(), kernel.threads, [&](Value x) {
              kernel.b.setInsertionPoint(rows.getInsertionBlock(), rows.getInsertionPoint());
              Value sum = kernel.sumBlock(x);
              rows.setInsertionPoint(kernel.b.getInsertionBlock(), kernel.b.getInsertionPoint());
              return sum;
            }};
  }

  /// Computes `result`, a value of the fusion, for all rows: a block each.
  FailureOr<Lowered> lowerRowKernel(Value result, Value outer, StringRef name) {
    for (Value value : sliceOf(result))
      if (!outerValue(value) && failed(checkRowOperation(value.getDefiningOp(), result)))
        return failure();
    Value rows = rowsOf(result);
    if (!rows)
      return refuseWithoutRows();
    FailureOr<Lowered> lowered = allocateFor(result, outer, rows);
    if (failed(lowered))
      return failure();
    GpuKernel kernel = makeKernel(name, kRowThreads);
    KernelBuilder rowsOf4 = rowBuilder(kernel, result);
    TileEmitter tile(rowsOf4);
    if (failed(importOperands(importTo(kernel), tile, result, Value())))
      return failure();
    Value row = kernel.block();
    RowKernel emitter{result, kernel.import(lowered->memrefs[0]), row, kernel.b.add(row, 1)};
    emitter.team = teamOf(kernel, rowsOf4);
    rowsOf4.setInsertionPoint(kernel.b.getInsertionBlock(), kernel.b.getInsertionPoint());
    emitter.emit(rowsOf4, tile);
    kernel.launch(builder, rows, index(1));
    return lowered;
  }

  LogicalResult lowerRows() {
    auto yield = cast<nn::YieldOp>(fusion.getBody().front().getTerminator());
    for (auto [inner, outer] : llvm::zip(yield.getValues(), fusion.getResults())) {
      auto type = dyn_cast<RankedTensorType>(inner.getType());
      if (!type || type.getRank() != 2)
        return emitNotSupported(fusion)
               << "yields a value of type " << inner.getType() << " that no row kernel of GPUs makes";
      for (Operation &op : fusion.getBody().front().without_terminator())
        if (failed(checkRowOperation(&op, inner)))
          return failure();
      FailureOr<Lowered> made = lowerRowKernel(inner, outer, "rows");
      if (failed(made))
        return failure();
      f.values[outer] = *made;
    }
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
    Lowered lowered;
    GpuKernel kernel =
        makeKernel(op->getName().stripDialect(), isa<nn::RopeTableOp>(op) ? GpuKernel::warp : kRowThreads);
    Value which = kernel.import(ids->memrefs[0]);
    if (auto table = dyn_cast<nn::RopeTableOp>(op)) {
      const int64_t half = padTo(table.getDims() / 2, f.target.lanes);
      lowered = {Lowered::Kind::Rows,
                 {f.allocate(loc, bufferType({f.maxRows, 2 * half}, builder.getF32Type()))},
                 ids->rows,
                 {1, static_cast<int64_t>(table.getDims()), 0, 0}};
      emitGpuRopeTable(kernel, table, f.target.lanes, which, kernel.import(lowered.memrefs[0]));
    } else {
      lowered = f.allocateRows(result, {1, widthOf(result), 0, 0}, ids->rows);
      Value to = kernel.import(lowered.memrefs[0]);
      if (auto embedding = dyn_cast<nn::EmbeddingOp>(op)) {
        FailureOr<Value> table = parameter(embedding.getTable(), {});
        if (failed(table))
          return failure();
        emitGpuEmbedding(kernel, cast<RankedTensorType>(embedding.getTable().getType()).getElementType(),
                         widthOf(result), kernel.import(*table), which, to);
      } else {
        FailureOr<Lowered> source = operand(op->getOperand(0));
        if (failed(source))
          return failure();
        emitGpuCopyRows(kernel, widthOf(result), kernel.import(source->memrefs[0]), which, to);
      }
    }
    kernel.launch(builder, ids->rows, index(1));
    f.values[result] = lowered;
    return success();
  }

  //===--------------------------------------------------------------------===//
  // Attention
  //===--------------------------------------------------------------------===//

  LogicalResult lowerAttention(nn::CachedAttentionOp op) {
    if (op.getBias())
      return emitNotSupported(op) << "with a bias is not supported by the CUDA code generator";
    if (!llvm::hasSingleElement(fusion.getBody().front().without_terminator()))
      return emitNotSupported(op) << "is not supported together with other operations in one kernel";
    FailureOr<Lowered> query = operand(op.getQuery()), cache = operand(op.getCache()),
                       positions = operand(op.getPositions());
    if (failed(query) || failed(cache) || failed(positions))
      return failure();
    const int64_t heads = op.getHeads();
    FlashAttention flash{};
    GpuAttention &attention = flash.attention;
    attention.op = op;
    attention.keys = cache->memrefs[0];
    attention.headDim = widthOf(op.getQuery()) / heads;
    attention.alignedQuery = cast<MemRefType>(cache->memrefs[0].getType()).getDimSize(2);
    attention.alignedValue = cast<MemRefType>(cache->memrefs[1].getType()).getDimSize(2);
    if (query->kind != Lowered::Kind::Rows || query->layout.heads != heads ||
        query->layout.alignedHead(f.target.lanes) != attention.alignedQuery)
      return emitNotSupported(op) << "has queries in another layout than its keys";
    Lowered result = allocateResult(fusion.getResult(0), {1, widthOf(op.getResult()), 0, 0}, query->rows);
    const bool onTensorCores = !isDecode() && FlashAttention::applies(attention);
    if (isDecode()) {
      // Enough blocks for the largest devices at the end of the context.
      const int64_t share = kBlocksOfDevice / static_cast<int64_t>(op.getKvHeads());
      attention.splits =
          std::clamp<int64_t>(std::min(share, f.sizes.context / GpuAttention::threads), 1, kMostSplits);
    }
    Value partial;
    if (attention.splits > 1)
      partial = f.allocate(loc, bufferType({f.maxRows, heads, attention.splits, attention.alignedValue + 2},
                                           builder.getF32Type()));
    (void)inForms(onTensorCores && flash.hasWarpgroups(), [&](bool isOwn) {
      FlashAttention tensor = flash;
      GpuKernel kernel = makeKernel("attention", onTensorCores ? flash.threads() : GpuAttention::threads);
      GpuAttention &made = tensor.attention;
      made.query = kernel.import(query->memrefs[0]);
      made.keys = kernel.import(cache->memrefs[0]);
      made.values = kernel.import(cache->memrefs[1]);
      made.positions = kernel.import(positions->memrefs[0]);
      (partial ? made.partial : made.destination) = kernel.import(partial ? partial : result.memrefs[0]);
      made.rows = kernel.import(query->rows);
      if (onTensorCores) {
        tensor.warpgroups = isOwn;
        tensor.emit(kernel);
        kernel.launch(builder, index(op.getKvHeads()),
                      arith::CeilDivUIOp::create(builder, loc, query->rows, index(flash.rowsPerBlock())));
      } else {
        made.emit(kernel);
        kernel.launch(builder, index(made.blocks()), query->rows);
      }
      return success();
    });
    if (partial) {
      GpuKernel combination = makeKernel("attention_combination", GpuAttention::threads);
      attention.partial = combination.import(partial);
      attention.destination = combination.import(result.memrefs[0]);
      attention.emitCombination(combination);
      combination.launch(builder, index(heads), query->rows);
    }
    f.values[fusion.getResult(0)] = result;
    return success();
  }

  //===--------------------------------------------------------------------===//
  // Products
  //===--------------------------------------------------------------------===//

  /// The input of a product: as it was made, or by a row kernel. In a step of one row the product computes it
  /// for itself; the result is then without memory.
  FailureOr<Lowered> lowerInput(Value input) {
    if (outerValue(input))
      return operand(input);
    if (nn::ConvertOp convert = bf16Conversion(input); convert && outerValue(convert.getInput())) {
      FailureOr<Lowered> made = operand(convert.getInput());
      if (failed(made) || made->kind == Lowered::Kind::Pairs)
        return made;
    }
    if (!isDecode())
      return lowerRowKernel(input, Value(), "prologue");
    for (Value value : sliceOf(input))
      if (!outerValue(value) && failed(checkRowOperation(value.getDefiningOp(), input)))
        return failure();
    Value rows = rowsOf(input);
    if (!rows)
      return refuseWithoutRows();
    return Lowered{Lowered::Kind::Pairs, {}, rows, {}};
  }

  LogicalResult lowerProduct(nn::LinearOp op) {
    auto weightType = cast<RankedTensorType>(op.getWeight().getType());
    Type element = weightType.getElementType();
    auto block = dyn_cast<nn::BlockType>(element);
    if (!element.isBF16() && !(block && !block.getAligned()))
      return emitNotSupported(op)
             << "has a weight of " << element
             << ", for which GPUs have no kernel: expected bf16 (--dtype=bf16) or blocks";
    FailureOr<Lowered> input = lowerInput(op.getInput());
    if (failed(input))
      return failure();
    if (input->kind != Lowered::Kind::Pairs)
      return emitNotSupported(op) << "has an input of " << op.getInput().getType()
                                  << ", but products of GPUs read bf16";
    if (splitOf(op) && !op.getResult().hasOneUse())
      return emitNotSupported(op)
             << "has a result that is split and read in another way too, which is not supported";

    const bool fewRows = isDecode() || (f.isPublic && input->rows == f.created.getArgument(kOutputRows));
    FragmentProduct product{};
    product.linear = op;
    product.weights = FragmentLayout::get(element);
    product.inputs = weightType.getDimSize(1);
    product.rowsPerBlock = fewRows ? kFewRows : kProductRows;
    product.staged = !fewRows;
    product.inputWarps = fewRows ? kProductWarps : 1;
    product.outputWarps = fewRows ? 1 : kProductWarps;
    product.rows = input->rows;
    if (failed(addStores([](Value operand) { return operand; }, op, product.stores, product.cacheRows)))
      return failure();
    for (const Store &store : product.stores)
      if (failed(checkEpilogue(op, store, f.target.lanes)))
        return failure();
    return inForms(product.staged || (isDecode() && streamsWeights), [&](bool isOwn) {
      FragmentProduct made = product;
      made.warpgroups = isOwn && product.staged;
      made.streamed = isOwn && isDecode();
      return makeProduct(made, *input);
    });
  }

  /// Makes and launches the kernel of `product`, whose operands are the host's.
  LogicalResult makeProduct(FragmentProduct &product, const Lowered &input) {
    nn::LinearOp op = product.linear;
    GpuKernel kernel = makeKernel("product", product.threads());
    TileEmitter tile(kernel.b);
    tile.panelElements = f.target.lanes;
    const SmallVector<int64_t> segments = placeParts(op, tile);
    KernelBuilder inputBuilder = rowBuilder(kernel, op.getInput());
    TileEmitter inputs(inputBuilder);
    if (!input.memrefs.empty()) {
      product.x = kernel.import(input.memrefs[0]);
    } else {
      if (failed(importOperands(importTo(kernel), inputs, op.getInput(), Value())))
        return failure();
      product.x = kernel.shared(
          sharedType({1, padTo(product.inputs, FragmentLayout::recordInputs)}, builder.getBF16Type()));
      product.prologue = [&] {
        RowKernel emitter{op.getInput(), product.x, kernel.b.index(0), kernel.b.index(1)};
        emitter.team = teamOf(kernel, inputBuilder);
        inputBuilder.setInsertionPoint(kernel.b.getInsertionBlock(), kernel.b.getInsertionPoint());
        emitter.emit(inputBuilder, inputs);
        kernel.b.setInsertionPoint(inputBuilder.getInsertionBlock(), inputBuilder.getInsertionPoint());
        kernel.barrier();
      };
    }
    FailureOr<Value> weight = parameter(op.getWeight(), segments);
    FailureOr<Value> bias = op.getBias() ? parameter(op.getBias(), segments) : Value();
    if (failed(weight) || failed(bias))
      return failure();
    product.w = kernel.import(*weight);
    if (*bias)
      product.bias = kernel.import(*bias);
    product.rows = kernel.import(product.rows);
    if (product.cacheRows.positions)
      product.cacheRows.positions = kernel.import(product.cacheRows.positions);
    if (product.cacheRows.offsets)
      product.cacheRows.offsets = kernel.import(product.cacheRows.offsets);
    for (Store &store : product.stores) {
      store.destination = kernel.import(store.destination);
      if (failed(importOperands(importTo(kernel), tile, store.value, op.getResult())))
        return failure();
    }
    const int64_t panels = panelsNeeded(product, tile);
    product.panelsPerTile = product.staged ? std::max<int64_t>(1, 2 / panels) : 1;
    product.streamed = product.streamed && product.stream(panels).stages >= FragmentProduct::leastStages;
    product.emit(kernel, tile);
    Value rowBlocks =
        isDecode() ? index(1)
                   : Value(arith::CeilDivUIOp::create(builder, loc, input.rows, index(product.rowsPerBlock)));
    Value outputBlocks = index(product.blocks());
    if (product.streamed)
      kernel.setPersistent();
    if (product.staged)
      kernel.launch(builder, rowBlocks, outputBlocks);
    else
      kernel.launch(builder, outputBlocks, rowBlocks);
    return success();
  }

  /// Panels of the product that a panel of a store needs: two for a gated activation.
  static int64_t panelsNeeded(FragmentProduct &product, TileEmitter &tile) {
    size_t most = 1;
    tile.productResult = product.linear.getResult();
    for (const Store &store : product.stores) {
      SmallVector<int64_t> needed;
      if (store.layout.rotaryDims == 0)
        tile.demand(store.value, 0, needed);
      most = std::max(most, needed.size());
    }
    return static_cast<int64_t>(most);
  }

  std::optional<bool> form; ///< of kernels that are made: for sm_90a alone, or for all others
};

std::pair<MemRefType, MemRefType> CudaKernelLowering::cacheTypes(const WidthLayout &key,
                                                                 const WidthLayout &value, Type element,
                                                                 int64_t positions) const {
  return {bufferType({key.heads, positions, key.alignedHead(lanes)}, element),
          bufferType({value.heads, positions, value.alignedHead(lanes)}, element)};
}

LogicalResult CudaKernelLowering::lowerFusion(FunctionLowering &lowering, nn::FusionOp fusion) {
  CudaFusionLowering kernels(lowering, fusion.getLoc());
  kernels.streamsWeights = streamsWeights;
  return kernels.lower(fusion);
}

void CudaKernelLowering::lowerCopyToOutput(FunctionLowering &lowering, Location loc, const Lowered &source) {
  CudaFusionLowering(lowering, loc).copyToOutput(source);
}

} // namespace llmc::codegen
