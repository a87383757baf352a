//===- SeparateAdapters.cpp - adapters that are chosen where a model runs ----------------------------===//

#include "frontend/import/SeparateAdapters.h"
#include "absl/strings/str_cat.h"
#include "frontend/import/AdapterTensors.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "runtime/io/Message.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::frontend;

namespace {

/// The matrices of one parameter, of adapters by their numbers.
using Parts = SmallVector<std::pair<size_t, AddedProduct>>;

class Separation {
public:
  Separation(ImportedModel &model, AdapterTensors tensors)
      : module(*model.module), forward(module.lookupSymbol<func::FuncOp>("forward")),
        checkpoint(*model.source), tensors(std::move(tensors)), b(module.getLoc(), module.getContext()) {}

  absl::Status add(const peft::Adapter &adapter, double scale);
  absl::Status rewrite();

private:
  /// The columns of one matrix of each of `parts`, [size, all ranks].
  Numbers sideBySide(const Parts &parts, Numbers AddedProduct::*matrix) const;
  Value loadNew(const std::string &name, Numbers numbers);
  absl::Status adaptReaders(Value weight, Value left, Value right, Value gates);
  void adapt(Operation *op, Value left, Value right, Value gates);
  Value addArgument(func::CallOp call, Value value, bool isParameter);

  ModuleOp module;
  func::FuncOp forward;
  Checkpoint &checkpoint;
  const AdapterTensors tensors;
  ImplicitLocOpBuilder b;
  SmallVector<int64_t> ranks;                ///< of each adapter, the largest of its layers
  llvm::MapVector<StringRef, Parts> partsOf; ///< by the names of parameters
  DenseMap<Operation *, Value> gatesOf;      ///< by the functions that they are arguments of
};

absl::Status Separation::add(const peft::Adapter &adapter, double scale) {
  if (!adapter.replaced().empty())
    return absl::UnimplementedError(absl::StrCat(
        adapter.tensorFile(), ": tensor ", io::quote(adapter.replaced()[0].tensor->name),
        " replaces one of the model, which an adapter beside the weights can not; expected one to merge"));
  const size_t number = ranks.size();
  int64_t &rank = ranks.emplace_back(0);
  for (const peft::LowRank &layer : adapter.lowRank()) {
    absl::StatusOr<AddedProduct> placed = tensors.place(adapter, layer);
    if (!placed.ok())
      return placed.status();
    for (float &value : placed->left.values)
      value = static_cast<float>(value * placed->scale * scale);
    rank = std::max(rank, placed->left.shape[1]);
    StringRef param = module.lookupSymbol<nn::ParamOp>(placed->param).getSymName();
    partsOf[param].push_back({number, *std::move(placed)});
  }
  return absl::OkStatus();
}

Numbers Separation::sideBySide(const Parts &parts, Numbers AddedProduct::*matrix) const {
  int64_t width = 0;
  SmallVector<int64_t> starts;
  for (int64_t rank : ranks) {
    starts.push_back(width);
    width += rank;
  }
  const int64_t rows = (parts[0].second.*matrix).shape[0];
  Numbers result{{rows, width}, std::vector<float>(rows * width)};
  for (const auto &[number, product] : parts) {
    const Numbers &part = product.*matrix;
    for (int64_t row = 0; row < rows; ++row)
      std::copy_n(part.values.begin() + row * part.shape[1], part.shape[1],
                  result.values.begin() + row * width + starts[number]);
  }
  return result;
}

/// The value of a new parameter that has `numbers`, for operations of @forward.
Value Separation::loadNew(const std::string &name, Numbers numbers) {
  auto type = RankedTensorType::get(numbers.shape, b.getF32Type());
  checkpoint.addTensor(name, numbers.shape, std::move(numbers.values));
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(*module.getOps<func::FuncOp>().begin());
    nn::ParamOp::create(b, name, type, StringAttr());
  }
  return nn::LoadOp::create(b, type, name);
}

/// One more argument of what `call` calls.
Value Separation::addArgument(func::CallOp call, Value value, bool isParameter) {
  auto callee = module.lookupSymbol<func::FuncOp>(call.getCallee());
  const unsigned index = callee.getNumArguments();
  SmallVector<NamedAttribute> attributes;
  if (isParameter)
    attributes.push_back(b.getNamedAttr(nn::kParameterArgument, b.getUnitAttr()));
  (void)callee.insertArgument(index, value.getType(), b.getDictionaryAttr(attributes), value.getLoc());
  call->insertOperands(index, value);
  return callee.getArgument(index);
}

/// Adds the products to whatever reads `weight`, in functions that are called too.
absl::Status Separation::adaptReaders(Value weight, Value left, Value right, Value gates) {
  for (OpOperand &use : llvm::make_early_inc_range(weight.getUses())) {
    Operation *user = use.getOwner();
    if (auto call = dyn_cast<func::CallOp>(user)) {
      const unsigned index = use.getOperandNumber(); // further operands move the use
      auto callee = module.lookupSymbol<func::FuncOp>(call.getCallee());
      Value &inner = gatesOf[callee];
      if (!inner)
        inner = addArgument(call, gates, /*isParameter=*/false);
      const Value gatesInside = inner, leftInside = addArgument(call, left, true),
                  rightInside = addArgument(call, right, true);
      if (absl::Status status = adaptReaders(callee.getArgument(index), leftInside, rightInside, gatesInside);
          !status.ok())
        return status;
      continue;
    }
    const bool followsSelection = llvm::any_of(user->getBlock()->getOps<nn::SelectRowsOp>(),
                                               [&](auto select) { return select->isBeforeInBlock(user); });
    if (followsSelection || !isa<nn::LinearOp, nn::EmbeddingOp>(user))
      return absl::UnimplementedError(absl::StrCat(
          checkpoint.path(), ": an adapter beside the weights can not adapt ",
          followsSelection ? "what follows the last layer" : user->getName().getStringRef().str(),
          "; expected one of linear layers and embeddings, or one to merge"));
    adapt(user, left, right, gates);
  }
  return absl::OkStatus();
}

void Separation::adapt(Operation *op, Value left, Value right, Value gates) {
  b.setLoc(op->getLoc());
  b.setInsertionPointAfter(op);
  const bool isTable = isa<nn::EmbeddingOp>(op);
  Value low;
  if (isTable)
    low = nn::EmbeddingOp::create(b, gates.getType(), op->getOperand(0), left);
  else
    low = nn::LinearOp::create(b, cast<nn::LinearOp>(op).getInput(), right, Value());
  low = arith::MulFOp::create(b, low, gates);
  Value added = nn::LinearOp::create(b, low, isTable ? right : left, Value());
  // Parts of a merged product are added one by one, so that each can go on in an order of its own.
  ResultRange results = op->getResults();
  ValueRange addends = added;
  if (auto split = op->hasOneUse() ? dyn_cast<nn::SplitOp>(*op->user_begin()) : nn::SplitOp()) {
    b.setInsertionPointAfter(split);
    addends = nn::SplitOp::create(b, split.getResultTypes(), added).getResults();
    results = split.getResults();
  }
  for (auto [result, addend] : llvm::zip_equal(results, addends)) {
    Value sum = arith::AddFOp::create(b, result, addend);
    result.replaceAllUsesExcept(sum, sum.getDefiningOp());
  }
}

absl::Status Separation::rewrite() {
  const unsigned index = forward.getNumArguments();
  (void)forward.insertArgument(index, forward.getArgument(0).getType(),
                               b.getDictionaryAttr(b.getNamedAttr("nn.input", b.getStringAttr("adapters"))),
                               forward.getLoc());
  int64_t width = 0;
  for (int64_t rank : ranks)
    width += rank;
  const auto rows = static_cast<int64_t>(ranks.size()) + 1;
  Numbers table{{rows, width}, std::vector<float>(rows * width)};
  for (int64_t row = 1, start = 0; row < rows; start += ranks[row - 1], ++row)
    std::fill_n(table.values.begin() + row * width + start, ranks[row - 1], 1.0f);
  b.setInsertionPointToStart(&forward.front());
  Value gates =
      nn::EmbeddingOp::create(b, RankedTensorType::get({ShapedType::kDynamic, width}, b.getF32Type()),
                              forward.getArgument(index), loadNew("lora.gates", std::move(table)));
  Operation *last = gates.getDefiningOp();
  for (const auto &[param, parts] : partsOf) {
    const bool isTable = parts[0].second.isTable;
    Numbers right = sideBySide(parts, &AddedProduct::right);
    b.setInsertionPointAfter(last);
    const std::string stem = absl::StrCat("lora.", param.str());
    Value leftMatrix = loadNew(stem + ".up", sideBySide(parts, &AddedProduct::left));
    Value rightMatrix = loadNew(stem + ".down", isTable ? std::move(right) : transposeOf(right));
    last = rightMatrix.getDefiningOp();
    for (nn::LoadOp load : loadsOf(module, param)) {
      // Loads of weights stand where they are first read.
      if (absl::Status status = adaptReaders(load, leftMatrix, rightMatrix, gates); !status.ok())
        return status;
    }
  }
  return absl::OkStatus();
}

} // namespace

absl::Status llmc::frontend::addSeparateAdapters(ImportedModel &model, ArrayRef<AdapterChoice> adapters) {
  if (adapters.empty())
    return absl::OkStatus();
  if (model.info.startToken || (model.info.kind != ModelKind::Generate && !model.info.causal))
    return absl::UnimplementedError(
        absl::StrCat(model.source->path(), ": is no decoder, which adapters beside the weights are supported "
                                           "of; expected adapters to merge"));
  absl::StatusOr<AdapterTensors> tensors = AdapterTensors::create(model);
  if (!tensors.ok())
    return tensors.status();
  Separation separation(model, *std::move(tensors));
  for (const AdapterChoice &choice : adapters) {
    if (llvm::is_contained(model.info.adapters, choice.name))
      return absl::InvalidArgumentError(
          absl::StrCat(choice.path, ": has the name of another adapter, ", io::quote(choice.name)));
    absl::StatusOr<peft::Adapter> adapter = peft::Adapter::open(choice.path);
    if (!adapter.ok())
      return adapter.status();
    if (absl::Status status = separation.add(*adapter, choice.scale); !status.ok())
      return status;
    for (std::string &file : adapter->files())
      model.files.push_back(std::move(file));
    model.info.adapters.push_back(choice.name);
  }
  return separation.rewrite();
}
