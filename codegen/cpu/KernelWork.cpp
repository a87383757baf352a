//===- KernelWork.cpp - what a kernel computes, and how -------------------------------------------------===//

#include "codegen/cpu/KernelWork.h"

#include "codegen/cpu/LowerToCpu.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>

using namespace mlir;

namespace llmc::codegen {

//===----------------------------------------------------------------------===//
// What is computed
//===----------------------------------------------------------------------===//

/// "linear 576 -> 960 Q4_1", "convert 576 to q16_k"; of other operations their names.
static std::string nameOf(Operation *op) {
  if (auto convert = dyn_cast<nn::ConvertOp>(op)) {
    auto type = cast<RankedTensorType>(convert.getType());
    auto block = dyn_cast<nn::BlockType>(type.getElementType());
    return llvm::formatv("convert {0} to {1}", type.getDimSize(1),
                         block ? nn::stringifyBlockFormat(block.getFormat()).str()
                               : llvm::formatv("{0}", type.getElementType()).str());
  }
  if (auto linear = dyn_cast<nn::LinearOp>(op)) {
    auto weight = cast<RankedTensorType>(linear.getWeight().getType());
    return llvm::formatv("linear {0} -> {1} {2}", weight.getDimSize(1), weight.getDimSize(0),
                         blocks::nameOf(storageFormatOf(weight.getElementType())));
  }
  return op->getName().stripDialect().str();
}

/// Operations that are only another look at values, or how a kernel wants them.
static bool isUnmentioned(Operation *op) {
  return isa<nn::SplitOp, nn::ConcatOp, nn::ConvertOp, nn::LoadOp, nn::YieldOp>(op) ||
         op->hasTrait<OpTrait::ConstantLike>();
}

KernelWork KernelWork::of(Operation *op, double share) {
  KernelWork work;
  work.kernel = "rows";
  work.unit = "f32";
  SmallVector<Operation *> operations;
  if (auto fusion = dyn_cast<nn::FusionOp>(op))
    for (Operation &inner : fusion.getBody().front())
      operations.push_back(&inner);
  else
    operations.push_back(op);
  SmallVector<std::string> names;
  for (Operation *operation : operations) {
    if (auto attention = dyn_cast<nn::CachedAttentionOp>(operation)) {
      work.isCausal = attention.getCausal();
      work.window = attention.getWindow().value_or(0);
    }
    std::string name = nameOf(operation);
    if (!isUnmentioned(operation) && !llvm::is_contained(names, name))
      names.push_back(std::move(name));
  }
  work.operation = names.empty() ? nameOf(operations.front()) : llvm::join(names, ", ");
  auto priced = dyn_cast<nn::CostOpInterface>(op);
  if (!priced)
    return work;
  // Costs grow with rows and positions: what one more of them costs is what they differ by.
  nn::OpCost none = priced.getCost(1, 0), position = priced.getCost(1, 1), two = priced.getCost(2, 0);
  work.flops = share * none.flops;
  work.positionFlops = share * (position.flops - none.flops);
  work.positionBytes = position.activationBytes - none.activationBytes;
  work.rowParameterBytes = share * (two.parameterBytes - none.parameterBytes);
  constexpr int64_t many = 1 << 20; // rows that read all parameters
  work.parameterBytes = share * priced.getCost(many, 0).parameterBytes;
  return work;
}

void KernelWork::setProduct(Value input, const PanelLayout &weights, const Target &target, bool matrixTiles,
                            int64_t rowsPerTile, int64_t panelsPerTile) {
  const bool isCodes = weights.kind == PanelLayout::Kind::Codes;
  auto block = dyn_cast<nn::BlockType>(cast<RankedTensorType>(input.getType()).getElementType());
  const int64_t activationBytes = block && block.getFormat() == nn::BlockFormat::Q16_K ? 2 : 1;
  if (isCodes) // each byte by each: on vectors, weights are codes of one
    passes = activationBytes * (matrixTiles ? weights.weightBytes() : 1);
  if (matrixTiles) {
    kernel = "matrix unit, 16 rows x 16 outputs";
    unit = isCodes ? "int8 tiles" : "bf16 tiles";
    return;
  }
  kernel = llvm::formatv("{0} x {1} outputs",
                         rowsPerTile == 1 ? "1 row" : llvm::formatv("{0} rows", rowsPerTile).str(),
                         panelsPerTile * target.lanes);
  // One row takes as long as its weights take to come, which tiles would not change.
  const bool wantsTiles = rowsPerTile > 1;
  // No processor of some architectures has it.
  auto lacks = [&](StringRef what, StringRef feature, StringRef so = "") {
    return feature.empty() ? ""
                           : llvm::formatv("{0} has no {1} ({2}){3}", target.cpu, what, feature, so).str();
  };
  switch (weights.kind) {
  case PanelLayout::Kind::F32:
    unit = "f32";
    note = "weights are f32: --dtype bf16 halves them";
    return;
  case PanelLayout::Kind::BF16:
    unit = target.hasBf16Dot ? "bf16" : "f32";
    if (!target.hasBf16Dot)
      note = lacks("products of bf16", target.broughtBy.bf16Dot, ": widened to f32");
    else if (wantsTiles && target.hasBf16Tiles)
      note = "experts are multiplied on vectors only";
    else if (wantsTiles)
      note = lacks("matrix unit for bf16", target.broughtBy.bf16Tiles);
    return;
  case PanelLayout::Kind::Codes:
    unit = target.hasByteDot ? "int8" : target.hasPairDot ? "int8 pairs" : "int32";
    if (!target.hasPairDot && !target.hasByteDot)
      note = lacks("products of bytes", target.broughtBy.pairDot, ": bytes are widened to 32 bits");
    else if (!target.hasByteDot)
      note = lacks("dot products of bytes", target.broughtBy.byteDot, ": sums of pairs");
    else if (wantsTiles && target.hasByteTiles)
      note = "experts are multiplied on vectors only";
    else if (wantsTiles)
      note = lacks("matrix unit for bytes", target.broughtBy.byteTiles);
    return;
  }
}

//===----------------------------------------------------------------------===//
// As attributes
//===----------------------------------------------------------------------===//

namespace {

/// Names and fields, in one place for both directions.
template <typename Work, typename Visitor> void visitFields(Work &work, Visitor visit) {
  visit("operation", work.operation);
  visit("kernel", work.kernel);
  visit("unit", work.unit);
  visit("note", work.note);
  visit("of_outputs", work.ofOutputs);
  visit("is_causal", work.isCausal);
  visit("window", work.window);
  visit("flops", work.flops);
  visit("position_flops", work.positionFlops);
  visit("parameter_bytes", work.parameterBytes);
  visit("row_parameter_bytes", work.rowParameterBytes);
  visit("position_bytes", work.positionBytes);
  visit("passes", work.passes);
}

struct FieldWriter {
  Builder &builder;
  SmallVector<NamedAttribute> &fields;
  void operator()(StringRef name, const std::string &value) {
    if (!value.empty())
      fields.push_back(builder.getNamedAttr(name, builder.getStringAttr(value)));
  }
  void operator()(StringRef name, bool value) {
    if (value)
      fields.push_back(builder.getNamedAttr(name, builder.getUnitAttr()));
  }
  void operator()(StringRef name, int64_t value) {
    if (value != 0)
      fields.push_back(builder.getNamedAttr(name, builder.getI64IntegerAttr(value)));
  }
  void operator()(StringRef name, double value) {
    if (value != 0)
      fields.push_back(builder.getNamedAttr(name, builder.getF64FloatAttr(value)));
  }
};

struct FieldReader {
  DictionaryAttr fields;
  bool isSound = true;
  /// The field `name`; null if it is absent.
  template <typename Attr> Attr read(StringRef name) {
    auto found = dyn_cast_or_null<Attr>(fields.get(name));
    isSound &= !fields.get(name) || found;
    return found;
  }
  void operator()(StringRef name, std::string &value) {
    auto text = read<StringAttr>(name);
    if (!text)
      return;
    // For terminals.
    isSound &= llvm::all_of(text.getValue(), [](char c) { return llvm::isPrint(c); });
    value = text.getValue().str();
  }
  void operator()(StringRef name, bool &value) { value = read<UnitAttr>(name) != nullptr; }
  void operator()(StringRef name, int64_t &value) {
    auto number = read<IntegerAttr>(name);
    if (!number)
      return;
    isSound &= number.getType().isSignlessInteger(64) && !number.getValue().isNegative();
    value = isSound ? number.getInt() : 0;
  }
  void operator()(StringRef name, double &value) {
    auto number = read<FloatAttr>(name);
    if (!number)
      return;
    value = number.getValueAsDouble();
    isSound &= std::isfinite(value) && value >= 0;
  }
};

} // namespace

DictionaryAttr KernelWork::toAttribute(MLIRContext *context) const {
  Builder builder(context);
  SmallVector<NamedAttribute> fields;
  visitFields(*this, FieldWriter{builder, fields});
  return builder.getDictionaryAttr(fields);
}

std::optional<KernelWork> KernelWork::fromAttribute(Attribute attribute) {
  auto fields = dyn_cast_or_null<DictionaryAttr>(attribute);
  if (!fields)
    return std::nullopt;
  KernelWork work;
  FieldReader reader{fields};
  visitFields(work, [&](StringRef name, auto &value) { reader(name, value); });
  return reader.isSound ? std::optional(work) : std::nullopt;
}

//===----------------------------------------------------------------------===//
// Regions
//===----------------------------------------------------------------------===//

namespace {

using Functions = llvm::SmallPtrSetImpl<Operation *>;

/// Whether `op` has a region in it, or a call of a function that has.
bool hasRegions(Operation *op, SymbolTable &symbols, const Functions &parallel) {
  return op
      ->walk([&](Operation *inner) {
        auto call = dyn_cast<func::CallOp>(inner);
        const bool enters = call && parallel.contains(symbols.lookup(call.getCallee()));
        return enters || isa<scf::ForallOp>(inner) ? WalkResult::interrupt() : WalkResult::advance();
      })
      .wasInterrupted();
}

/// Adds the works of the regions that `function` enters; false if their order is not known. `callers` are the
/// functions that called it.
bool addRegions(func::FuncOp function, SymbolTable &symbols, const Functions &parallel, Functions &callers,
                SmallVectorImpl<Attribute> &works) {
  if (!function.getBody().hasOneBlock())
    return !hasRegions(function, symbols, parallel);
  if (!callers.insert(function).second)
    return false;
  for (Operation &op : function.front()) {
    if (auto call = dyn_cast<func::CallOp>(op)) {
      auto callee = symbols.lookup<func::FuncOp>(call.getCallee());
      if (callee && parallel.contains(callee) && !addRegions(callee, symbols, parallel, callers, works))
        return false;
    } else if (auto region = dyn_cast<scf::ForallOp>(op)) {
      Attribute work;
      region.walk([&](func::CallOp call) {
        if (auto kernel = symbols.lookup<func::FuncOp>(call.getCallee()); kernel && !work)
          work = kernel->getAttr(kWorkAttribute);
      });
      works.push_back(isa_and_present<DictionaryAttr>(work) ? work
                                                            : DictionaryAttr::get(function.getContext()));
    } else if (hasRegions(&op, symbols, parallel)) {
      return false;
    }
  }
  callers.erase(function);
  return true;
}

} // namespace

void listRegions(func::FuncOp step, const Functions &parallel) {
  step->removeAttr(kRegionsAttribute); // of a program that was read
  SymbolTable symbols(step->getParentOfType<ModuleOp>());
  SmallVector<Attribute> works;
  llvm::SmallPtrSet<Operation *, 8> callers;
  const bool isKnown = addRegions(step, symbols, parallel, callers, works);
  if (isKnown && llvm::any_of(works, [](Attribute work) { return !cast<DictionaryAttr>(work).empty(); }))
    step->setAttr(kRegionsAttribute, ArrayAttr::get(step.getContext(), works));
}

} // namespace llmc::codegen
