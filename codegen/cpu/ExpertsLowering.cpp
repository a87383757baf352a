//===- ExpertsLowering.cpp - kernels of experts -------------------------------------------------------===//
//
// A pair is a token and one of the experts that it chose: pair t * top_k + k is choice k of token t. Kernels
// of gate and up compute a row for each pair, those of down another one, and the rows of a token are added up
// in the order of its choices, whatever other tokens there are. In a prompt pairs are sorted by expert, so
// that the weights of an expert are read once for all tokens that chose it.
//
//===------------------------------------------------------------------------------------------------===//

#include "codegen/cpu/FusionForm.h"
#include "codegen/cpu/KernelRegions.h"
#include "codegen/cpu/RowKernel.h"
#include "passes/NotSupported.h"

using namespace mlir;

namespace llmc::codegen {

namespace {

int64_t widthOf(Value value) { return cast<RankedTensorType>(value.getType()).getDimSize(1); }

/// One of the three weights of all experts.
struct ExpertWeight {
  PanelLayout layout;
  int64_t inputs;
  int64_t panels; ///< of one expert: its outputs, padded to whole panels
  Value memref;
};

/// What the router decides.
struct Choices {
  Value experts; ///< memref<pairs x i32>
  Value shares;  ///< memref<pairs x f32>
  // Of prompts.
  Value order;  ///< memref<pairs x i32>: pairs by expert
  Value firsts; ///< memref<experts + 1 x i32>: where those of each begin
};

/// The number of a value of i32 memory.
Value loadIndex(KernelBuilder &b, Value memref, Value place) {
  return arith::IndexCastOp::create(b, b.getIndexType(), b.load(memref, {place}));
}

void storeIndex(KernelBuilder &b, Value number, Value memref, Value place) {
  b.store(arith::IndexCastOp::create(b, b.getI32Type(), number), memref, {place});
}

/// A value of nn that exists only while a kernel is emitted, which gets what it stands for from elsewhere.
Value standIn(KernelBuilder &b, Type type) {
  return UnrealizedConversionCastOp::create(b, TypeRange{type}, ValueRange{}).getResult(0);
}

/// Emits the choice of one token.
class ChoiceEmitter {
public:
  ChoiceEmitter(KernelBuilder &b, nn::ExpertsOp op, Value logits, Value left, const Choices &choices)
      : b(b), op(op), logits(logits), left(left), choices(choices), experts(op.getExperts()),
        topK(static_cast<int64_t>(op.getTopK())) {}

  void emit(Value token) {
    Value largest = copyLogits(token), total = op.getSigmoid() ? b.f32(1) : sumOfExponentials(token, largest);
    Value first = b.mul(token, topK);
    Value chosen = b.loop(b.index(0), b.index(topK), 1, ValueRange{b.f32(0)}, [&](Value k, ValueRange sum) {
      auto [expert, logit] = takeLargest();
      Value share = op.getSigmoid() ? logistic(logit) : b.divf(exponential(b.subf(logit, largest)), total);
      storeIndex(b, expert, choices.experts, b.add(first, k));
      b.store(share, choices.shares, {b.add(first, k)});
      return SmallVector<Value>{b.addf(sum[0], share)};
    })[0];
    if (!op.getRenormalize())
      return;
    b.loop(b.index(0), b.index(topK), 1, [&](Value k) {
      Value place = b.add(first, k);
      b.store(b.divf(b.load(choices.shares, {place}), chosen), choices.shares, {place});
    });
  }

private:
  Value infinity() { return b.f32(-std::numeric_limits<double>::infinity()); }
  Value exponential(Value x) { return vector::ExtractOp::create(b, emitExp(b, b.broadcast(x)), 0); }
  Value logistic(Value x) {
    return b.divf(b.f32(1), b.addf(b.f32(1), exponential(arith::NegFOp::create(b, x))));
  }

  /// Copies the token's logits to `left`. Returns the largest.
  Value copyLogits(Value token) {
    return b.loop(b.index(0), b.index(experts), 1, ValueRange{infinity()}, [&](Value e, ValueRange largest) {
      Value logit = b.load(logits, {token, e});
      b.store(logit, left, {e});
      return SmallVector<Value>{b.maxf(largest[0], logit)};
    })[0];
  }

  Value sumOfExponentials(Value token, Value largest) {
    const int64_t whole = experts / b.lanes, rest = experts % b.lanes;
    auto exponentials = [&](Value panel) {
      Value x = b.loadVector(logits, {token, b.mul(panel, b.lanes)});
      return emitExp(b, b.subf(x, b.broadcast(largest)));
    };
    Value sums =
        b.loop(b.index(0), b.index(whole), 1, ValueRange{b.splat(0)}, [&](Value panel, ValueRange sum) {
          return SmallVector<Value>{b.addf(sum[0], exponentials(panel))};
        })[0];
    if (rest != 0)
      sums = b.addf(sums,
                    arith::SelectOp::create(b, b.firstLanes(rest), exponentials(b.index(whole)), b.splat(0)));
    return b.sum(sums);
  }

  /// The expert of the largest logit in `left`, the first of equal ones, and the logit; it is taken out.
  std::pair<Value, Value> takeLargest() {
    SmallVector<Value> best = b.loop(
        b.index(0), b.index(experts), 1, ValueRange{infinity(), b.index(0)}, [&](Value e, ValueRange best) {
          Value logit = b.load(left, {e});
          Value larger = arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, logit, best[0]);
          return SmallVector<Value>{arith::SelectOp::create(b, larger, logit, best[0]),
                                    arith::SelectOp::create(b, larger, e, best[1])};
        });
    b.store(infinity(), left, {best[1]});
    return {best[1], best[0]};
  }

  KernelBuilder &b;
  nn::ExpertsOp op;
  Value logits, left;
  const Choices &choices;
  const int64_t experts, topK;
};

/// Sorts pairs by expert, those of one expert in their order.
void emitSort(KernelBuilder &b, int64_t experts, Value pairs, const Choices &choices, Value next) {
  Value zero = b.index(0), one = b.index(1);
  b.loop(zero, b.index(experts + 1), 1, [&](Value e) { storeIndex(b, zero, choices.firsts, e); });
  b.loop(zero, pairs, 1, [&](Value pair) {
    Value behind = b.add(loadIndex(b, choices.experts, pair), one);
    storeIndex(b, b.add(loadIndex(b, choices.firsts, behind), one), choices.firsts, behind);
  });
  b.loop(zero, b.index(experts), 1, [&](Value e) {
    Value first = loadIndex(b, choices.firsts, e), behind = b.add(e, one);
    storeIndex(b, first, next, e);
    storeIndex(b, b.add(first, loadIndex(b, choices.firsts, behind)), choices.firsts, behind);
  });
  b.loop(zero, pairs, 1, [&](Value pair) {
    Value expert = loadIndex(b, choices.experts, pair), place = loadIndex(b, next, expert);
    storeIndex(b, pair, choices.order, place);
    storeIndex(b, b.add(place, one), next, expert);
  });
}

} // namespace

class ExpertsLowering : KernelRegions {
public:
  ExpertsLowering(FunctionLowering &f, nn::FusionOp fusion, nn::ExpertsOp op)
      : KernelRegions(f, op.getLoc()), op(op), topK(static_cast<int64_t>(op.getTopK())),
        inner(widthOf(op.getDown())) {
    this->fusion = fusion;
  }

  LogicalResult lower() {
    if (!llvm::hasSingleElement(fusion.getBody().front().without_terminator()))
      return emitNotSupported(op) << "is not supported together with other operations in one kernel";
    FailureOr<Lowered> input = operand(op.getInput()), router = operand(op.getRouter());
    if (failed(input) || failed(router) || failed(placeWeights(input->kind)))
      return failure();
    if (router->kind != Lowered::Kind::Rows || !router->layout.isPlain())
      return emitNotSupported(op) << "has a router that is no rows of f32";
    tokens = input->rows;
    pairs = arith::MulIOp::create(builder, loc, tokens, index(topK));
    Choices choices = lowerChoices(*router);
    Lowered hidden = lowerHidden(*input, choices);
    Lowered result = f.allocateRows(fusion.getResult(0), {1, widthOf(op.getResult()), 0, 0}, tokens);
    isDecode() ? lowerDownOfOne(hidden, choices, result) : lowerDown(hidden, choices, result);
    f.values[fusion.getResult(0)] = result;
    return success();
  }

private:
  int64_t mostPairs() const { return f.maxRows * topK; }
  Value allocate(ArrayRef<int64_t> shape, Type element) {
    return f.allocate(loc, bufferType(shape, element));
  }

  LogicalResult placeWeights(Lowered::Kind input) {
    const int64_t lanes = f.target.lanes, experts = op.getExperts();
    for (auto [weight, place] : {std::pair{op.getGate(), &gate}, {op.getUp(), &up}, {op.getDown(), &down}}) {
      auto type = cast<RankedTensorType>(weight.getType());
      const int64_t outputs = type.getDimSize(0) / experts;
      place->layout = PanelLayout::get(type.getElementType(), lanes);
      place->inputs = type.getDimSize(1);
      place->panels = padTo(outputs, lanes) / lanes;
      if (!hasProduct(place->layout, input))
        return emitNotSupported(op) << "has an input of " << op.getInput().getType() << " for a weight of "
                                    << type << ", for which the CPU code generator has no kernel";
      // The outputs of an expert begin with a panel.
      const int64_t segment[] = {experts, outputs, 0, 0};
      FailureOr<Value> memref =
          parameter(weight, outputs % lanes == 0 ? ArrayRef<int64_t>() : ArrayRef<int64_t>(segment));
      if (failed(memref))
        return failure();
      place->memref = *memref;
    }
    return success();
  }

  Choices lowerChoices(const Lowered &router) {
    Type i32 = builder.getI32Type(), f32 = builder.getF32Type();
    auto reserve = [&](int64_t count, Type element) {
      MemRefType type = bufferType({count}, element);
      return isDecode() ? allocateOnEveryThread(type) : f.allocate(loc, type);
    };
    Choices choices{reserve(mostPairs(), i32), reserve(mostPairs(), f32), {}, {}};
    auto emit = [&](KernelScope &scope, Value begin, Value end) {
      KernelBuilder &b = scope.b;
      Choices inside{scope.import(choices.experts), scope.import(choices.shares), {}, {}};
      Value logits = scope.import(router.memrefs[0]);
      Value left = b.scratch(bufferType({op.getExperts()}, f32));
      ChoiceEmitter emitter(b, op, logits, left, inside);
      b.loop(begin, end, 1, [&](Value token) { emitter.emit(token); });
    };
    if (isDecode()) {
      // Every thread chooses for itself, which takes less time than waiting for another.
      KernelScope scope = makeKernel("choose_experts");
      emit(scope, scope.b.index(0), scope.b.index(1));
      runOnEveryThread(scope);
      return choices;
    }
    runOverRows("choose_experts", tokens, nullptr, emit);
    choices.order = reserve(mostPairs(), i32);
    choices.firsts = reserve(op.getExperts() + 1, i32);
    KernelScope scope = makeKernel("sort_experts");
    Choices inside{scope.import(choices.experts), scope.import(choices.shares), scope.import(choices.order),
                   scope.import(choices.firsts)};
    Value next = scope.b.scratch(bufferType({op.getExperts()}, i32));
    emitSort(scope.b, op.getExperts(), scope.import(pairs), inside, next);
    scope.addChunk();
    runChunks(scope, index(1), {.operation = "sort_experts", .kernel = "one thread"});
    return choices;
  }

  /// Panels of a tile's weights that a chunk works on, and how many chunks that makes for one expert.
  int64_t panelsPerChunk(const ExpertWeight &weight) const {
    const int64_t bytes = weight.layout.panelBytes(weight.inputs);
    int64_t panels = std::max<int64_t>(1, 2 * kMinBytesPerChunk / std::max<int64_t>(bytes, 1));
    panels = std::max(panels, (weight.panels + kMaxChunks - 1) / kMaxChunks);
    return std::min(panels, weight.panels);
  }
  int64_t chunksPerExpert(const ExpertWeight &weight) const {
    return (weight.panels + panelsPerChunk(weight) - 1) / panelsPerChunk(weight);
  }

  /// Runs a kernel over all pairs and the panels of `weight`: `emit` computes panel `panel` of expert
  /// `expert` for the pairs `pairs`, of which there are rowsPerTile or one.
  void
  runOverPairs(StringRef name, const ExpertWeight &weight, const Choices &choices,
               function_ref<void(KernelScope &)> import,
               function_ref<void(KernelBuilder &, Value expert, Value panel, ArrayRef<Value> pairs)> emit) {
    KernelScope scope = makeKernel(name);
    KernelBuilder &b = scope.b;
    import(scope);
    Value experts = scope.import(choices.experts);
    Value order = choices.order ? scope.import(choices.order) : Value();
    Value firsts = choices.firsts ? scope.import(choices.firsts) : Value();
    Value chunk = scope.addChunk();
    const int64_t perExpert = chunksPerExpert(weight), perChunk = panelsPerChunk(weight);
    Value place = b.div(chunk, perExpert), firstPanel = b.mul(b.rem(chunk, perExpert), perChunk);
    Value lastPanel = b.min(b.add(firstPanel, perChunk), b.index(weight.panels));
    auto overPanels = [&](Value expert, ArrayRef<Value> pairs) {
      b.loop(firstPanel, lastPanel, 1, [&](Value panel) { emit(b, expert, panel, pairs); });
    };
    if (isDecode()) {
      overPanels(loadIndex(b, experts, place), place);
    } else {
      // Tile by tile, so that a panel stays in the cache for all of an expert's pairs.
      Value begin = loadIndex(b, firsts, place), end = loadIndex(b, firsts, b.add(place, 1));
      b.loop(firstPanel, lastPanel, 1, [&](Value panel) {
        Value row = begin;
        for (int64_t height : {rowsPerTile(weight), int64_t(1)}) {
          Value left = arith::SubIOp::create(b, end, row);
          Value limit = b.add(row, b.mul(b.div(left, height), height));
          b.loop(row, limit, height, [&](Value first) {
            SmallVector<Value> tile;
            for (int64_t r = 0; r < height; ++r)
              tile.push_back(loadIndex(b, order, b.add(first, r)));
            emit(b, place, panel, tile);
          });
          row = limit;
        }
      });
    }
    runChunks(scope, index((isDecode() ? topK : op.getExperts()) * perExpert), workOf(weight));
  }

  /// What a kernel computes of the experts: gate and up, or down alone.
  KernelWork workOf(const ExpertWeight &weight) {
    const bool isDown = &weight == &down;
    KernelWork work = KernelRegions::workOf(fusion, tokens, (isDown ? 1.0 : 2.0) / 3);
    work.rowParameterBytes = work.parameterBytes * static_cast<double>(topK) / op.getExperts();
    work.operation += isDown ? " (down)" : " (gate, up)";
    work.setProduct(op.getInput(), weight.layout, f.target, /*matrixTiles=*/false,
                    isDecode() ? 1 : rowsPerTile(weight), 1);
    return work;
  }

  int64_t rowsPerTile(const ExpertWeight &weight) const {
    const bool wide = f.target.registers >= 32;
    return weight.layout.kind == PanelLayout::Kind::Codes ? (wide ? 4 : 2) : wide ? 8 : 4;
  }

  /// The rows of pairs that down multiplies, in the form of the input.
  Lowered lowerHidden(const Lowered &input, const Choices &choices) {
    auto type = RankedTensorType::get({ShapedType::kDynamic, inner}, builder.getF32Type());
    Value rows = allocate({mostPairs(), gate.panels * f.target.lanes}, builder.getF32Type());
    Value x, wGate, wUp, destination;
    runOverPairs(
        "experts_up", gate, choices,
        [&](KernelScope &scope) {
          x = scope.import(input.memrefs[0]);
          wGate = scope.import(gate.memref);
          wUp = scope.import(up.memref);
          destination = scope.import(rows);
        },
        [&](KernelBuilder &b, Value expert, Value panel, ArrayRef<Value> pairs) {
          SmallVector<Value> xRows;
          for (Value pair : pairs)
            xRows.push_back(b.div(pair, topK));
          Value place = b.add(b.mul(expert, gate.panels), panel);
          SmallVector<Value> gates = PanelProduct{b, gate.layout, gate.inputs, x, wGate}.sum(xRows, place);
          SmallVector<Value> ups = PanelProduct{b, up.layout, up.inputs, x, wUp}.sum(xRows, place);
          for (auto [i, pair] : llvm::enumerate(pairs))
            b.storeVector(gated(b, type, gates[i], ups[i]), destination, {pair, b.mul(panel, b.lanes)});
        });
    Lowered hidden{Lowered::Kind::Rows, {rows}, pairs, {1, inner, 0, 0}};
    Type element = getElementTypeOrSelf(op.getInput());
    return element.isF32() ? hidden : convert(hidden, type, element);
  }

  /// act(gate) * up, computed as every other kernel computes it.
  Value gated(KernelBuilder &b, RankedTensorType type, Value gate, Value up) {
    Value g = standIn(b, type), u = standIn(b, type);
    Operation *act = op.getActivation() == nn::GateActivation::Silu
                         ? nn::SiluOp::create(b, g).getOperation()
                         : nn::GeluOp::create(b, g, nn::GeluKindAttr::get(b.getContext(), nn::GeluKind::Tanh))
                               .getOperation();
    auto product = arith::MulFOp::create(b, act->getResult(0), u);
    TileEmitter tile(b);
    tile.known[g] = [gate](int64_t) { return gate; };
    tile.known[u] = [up](int64_t) { return up; };
    Value result = tile.at(product.getResult(), 0);
    for (Operation *scaffold : {product.getOperation(), act, u.getDefiningOp(), g.getDefiningOp()})
      scaffold->erase();
    return result;
  }

  /// `rows` of pairs rounded to `element`.
  Lowered convert(const Lowered &rows, RankedTensorType type, Type element) {
    const auto converted = RankedTensorType::get(type.getShape(), element);
    Lowered result = destinationFor(converted, mostPairs(), rows.rows, [&](MemRefType memref) {
      return isDecode() ? allocateOnEveryThread(memref) : f.allocate(loc, memref);
    });
    auto emit = [&](KernelScope &scope, Value begin, Value end) {
      KernelBuilder &b = scope.b;
      Value source = standIn(b, type);
      auto conversion = nn::ConvertOp::create(b, source, element);
      TileEmitter tile(b);
      tile.buffers[source] = scope.import(rows.memrefs[0]);
      RowKernel{conversion.getResult(), scope.import(result.memrefs[0]), begin, end}.emit(b, tile);
      conversion.erase();
      source.getDefiningOp()->erase();
    };
    if (isDecode()) {
      KernelScope scope = makeKernel("experts_convert");
      emit(scope, scope.b.index(0), scope.b.index(mostPairs()));
      runOnEveryThread(scope);
    } else {
      runOverRows("experts_convert", rows.rows, nullptr, emit);
    }
    return result;
  }

  /// The step of one row adds up while the panel is computed.
  void lowerDownOfOne(const Lowered &hidden, const Choices &choices, const Lowered &result) {
    KernelScope scope = makeKernel("experts_down");
    KernelBuilder &b = scope.b;
    Value x = scope.import(hidden.memrefs[0]), w = scope.import(down.memref);
    Value experts = scope.import(choices.experts), shares = scope.import(choices.shares);
    Value to = scope.import(result.memrefs[0]), chunk = scope.addChunk();
    const int64_t perChunk = panelsPerChunk(down);
    Value first = b.mul(chunk, perChunk), end = b.min(b.add(first, perChunk), b.index(down.panels));
    b.loop(first, end, 1, [&](Value panel) {
      Value sum =
          b.loop(b.index(0), b.index(topK), 1, ValueRange{b.splat(0)}, [&](Value pair, ValueRange sum) {
            Value place = b.add(b.mul(loadIndex(b, experts, pair), down.panels), panel);
            Value product = PanelProduct{b, down.layout, down.inputs, x, w}.sum(pair, place)[0];
            return SmallVector<Value>{b.fma(b.broadcast(b.load(shares, {pair})), product, sum[0])};
          })[0];
      b.storeVector(sum, to, {b.index(0), b.mul(panel, b.lanes)});
    });
    runChunks(scope, index(chunksPerExpert(down)), workOf(down));
  }

  void lowerDown(const Lowered &hidden, const Choices &choices, const Lowered &result) {
    Value rows = allocate({mostPairs(), down.panels * f.target.lanes}, builder.getF32Type());
    Value x, w, destination;
    runOverPairs(
        "experts_down", down, choices,
        [&](KernelScope &scope) {
          x = scope.import(hidden.memrefs[0]);
          w = scope.import(down.memref);
          destination = scope.import(rows);
        },
        [&](KernelBuilder &b, Value expert, Value panel, ArrayRef<Value> pairs) {
          Value place = b.add(b.mul(expert, down.panels), panel);
          SmallVector<Value> sums = PanelProduct{b, down.layout, down.inputs, x, w}.sum(pairs, place);
          for (auto [i, pair] : llvm::enumerate(pairs))
            b.storeVector(sums[i], destination, {pair, b.mul(panel, b.lanes)});
        });
    runOverRows("experts_sum", tokens, nullptr, [&](KernelScope &scope, Value begin, Value end) {
      KernelBuilder &b = scope.b;
      Value from = scope.import(rows), shares = scope.import(choices.shares),
            to = scope.import(result.memrefs[0]);
      b.loop(begin, end, 1, [&](Value token) {
        b.loop(b.index(0), b.index(down.panels), 1, [&](Value panel) {
          Value column = b.mul(panel, b.lanes);
          Value sum =
              b.loop(b.index(0), b.index(topK), 1, ValueRange{b.splat(0)}, [&](Value k, ValueRange sum) {
                Value pair = b.add(b.mul(token, topK), k);
                Value share = b.broadcast(b.load(shares, {pair}));
                return SmallVector<Value>{b.fma(share, b.loadVector(from, {pair, column}), sum[0])};
              })[0];
          b.storeVector(sum, to, {token, column});
        });
      });
    });
  }

  nn::ExpertsOp op;
  const int64_t topK, inner;
  ExpertWeight gate, up, down;
  Value tokens, pairs; ///< their numbers
};

LogicalResult lowerExperts(FunctionLowering &lowering, nn::FusionOp fusion, nn::ExpertsOp op) {
  return ExpertsLowering(lowering, fusion, op).lower();
}

} // namespace llmc::codegen
