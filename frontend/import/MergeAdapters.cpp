//===- MergeAdapters.cpp - low-rank matrices become a part of a model's weights ----------------------===//

#include "frontend/import/MergeAdapters.h"
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

/// Two matrices whose product is added, by the names of their tensors in the checkpoint.
struct Product {
  std::string left;  ///< [rows, rank]
  std::string right; ///< [columns, rank]
  double scale;
};

/// What becomes of a parameter.
struct Change {
  std::string replacement; ///< the tensor in its place; empty: its own
  SmallVector<Product> products;
};

class Merger {
public:
  Merger(ImportedModel &model, AdapterTensors tensors, AdaptedType sums)
      : module(*model.module), checkpoint(*model.source), tensors(std::move(tensors)), sums(sums),
        b(module.getLoc(), module.getContext()) {}

  absl::Status add(const peft::Adapter &adapter, double scale);
  void rewrite() {
    for (auto &[name, change] : changes)
      rewrite(module.lookupSymbol<nn::ParamOp>(name), change);
  }

private:
  Change &changeOf(const std::string &param) {
    return changes[module.lookupSymbol<nn::ParamOp>(param).getSymName()];
  }
  void addTensor(const std::string &name, Numbers numbers) {
    checkpoint.addTensor(name, numbers.shape, std::move(numbers.values));
  }

  void rewrite(nn::ParamOp param, const Change &change);
  Value loadTensor(const std::string &name, RankedTensorType type);
  Type sumType(Type stored, int64_t rank);
  void setElementType(Value value, Type element);

  ModuleOp module;
  Checkpoint &checkpoint;
  const AdapterTensors tensors;
  const AdaptedType sums;
  ImplicitLocOpBuilder b;
  llvm::MapVector<StringRef, Change> changes; ///< by the names of parameters
  int64_t count = 0;
};

absl::Status Merger::add(const peft::Adapter &adapter, double scale) {
  const std::string prefix = absl::StrCat("lora.", count++, ".");
  for (const peft::Replaced &replaced : adapter.replaced()) {
    absl::StatusOr<ReplacedTensor> placed = tensors.place(adapter, replaced);
    if (!placed.ok())
      return placed.status();
    Change &change = changeOf(placed->param);
    if (!change.replacement.empty())
      return absl::InvalidArgumentError(absl::StrCat(adapter.tensorFile(), ": tensor ",
                                                     io::quote(replaced.tensor->name),
                                                     " is replaced by another adapter too"));
    change.replacement = prefix + placed->param;
    addTensor(change.replacement, std::move(placed->numbers));
  }
  for (const peft::LowRank &layer : adapter.lowRank()) {
    absl::StatusOr<AddedProduct> placed = tensors.place(adapter, layer);
    if (!placed.ok())
      return placed.status();
    const std::string stem = prefix + layer.module;
    Product product{stem + ".up", stem + ".down", placed->scale * scale};
    addTensor(product.left, std::move(placed->left));
    addTensor(product.right, std::move(placed->right));
    changeOf(placed->param).products.push_back(std::move(product));
  }
  return absl::OkStatus();
}

/// The value of tensor `name`, declared before the parameter in whose initializer this is.
Value Merger::loadTensor(const std::string &name, RankedTensorType type) {
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(b.getInsertionBlock()->getParentOp());
    nn::ParamOp::create(b, name, type, StringAttr());
  }
  return nn::LoadOp::create(b, type, name);
}

/// Sums are of numbers that no 4 or 5 bits hold: rounding them as the checkpoint's own were would cost as
/// much again as was lost there, and the matrices are small beside it. Q8_0 keeps what an adapter says, and
/// its products are those of integers still.
Type Merger::sumType(Type stored, int64_t rank) {
  if (rank == 1) // which operations read in f32
    return b.getF32Type();
  switch (sums) {
  case AdaptedType::F32:
    return b.getF32Type();
  case AdaptedType::BF16:
    return b.getBF16Type();
  case AdaptedType::Auto:
    if (isa<nn::BlockType>(stored))
      return nn::BlockType::get(b.getContext(), nn::BlockFormat::Q8_0);
    return stored.isF16() ? b.getF32Type() : stored; // products read no f16
  }
  llvm_unreachable("not a type of sums");
}

/// Changes the element type of `value`, a parameter's, and of what passes it on.
void Merger::setElementType(Value value, Type element) {
  value.setType(cast<RankedTensorType>(value.getType()).clone(element));
  for (OpOperand &use : llvm::make_early_inc_range(value.getUses())) {
    Operation *user = use.getOwner();
    if (auto call = dyn_cast<func::CallOp>(user)) {
      auto callee = module.lookupSymbol<func::FuncOp>(call.getCallee());
      BlockArgument argument = callee.getArgument(use.getOperandNumber());
      if (argument.getType() == value.getType())
        continue;
      setElementType(argument, element);
      callee.setFunctionType(b.getFunctionType(callee.front().getArgumentTypes(), callee.getResultTypes()));
    } else if (auto concat = dyn_cast<nn::ConcatOp>(user)) {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPoint(concat);
      for (OpOperand &other : concat->getOpOperands())
        if (cast<RankedTensorType>(other.get().getType()).getElementType() != element)
          other.set(nn::ConvertOp::create(b, other.get(), element));
      setElementType(concat.getResult(), element);
    } else if (auto convert = dyn_cast<nn::ConvertOp>(user);
               convert && convert.getType() == value.getType()) {
      convert.replaceAllUsesWith(value);
      convert.erase();
    }
  }
}

void Merger::rewrite(nn::ParamOp param, const Change &change) {
  auto type = cast<RankedTensorType>(param.getType());
  const auto wide = type.clone(b.getF32Type());
  const Type element = sumType(type.getElementType(), type.getRank());
  const std::string name = param.getSymName().str();
  b.setLoc(param.getLoc());
  b.setInsertionPointToStart(&param.getInitializer().emplaceBlock());
  Value sum;
  if (change.replacement.empty()) {
    sum = loadTensor(name + ".base", type);
    module.lookupSymbol<nn::ParamOp>(name + ".base").setOrigin(name);
    if (type != wide)
      sum = nn::ConvertOp::create(b, sum, b.getF32Type());
  } else {
    sum = loadTensor(change.replacement, wide);
  }
  auto matrix = [&](const std::string &tensor) {
    return loadTensor(tensor, RankedTensorType::get(checkpoint.find(tensor)->shape, b.getF32Type()));
  };
  for (const Product &product : change.products) {
    Value left = matrix(product.left);
    left = nn::ScaleOp::create(b, left, b.getF64FloatAttr(product.scale));
    Value added = nn::LinearOp::create(b, left, matrix(product.right), Value());
    sum = arith::AddFOp::create(b, sum, added);
  }
  if (element != b.getF32Type())
    sum = nn::ConvertOp::create(b, sum, element);
  nn::YieldOp::create(b, sum);
  if (element == type.getElementType())
    return;
  param.setType(type.clone(element));
  for (nn::LoadOp load : loadsOf(module, name))
    setElementType(load, element);
}

} // namespace

absl::Status llmc::frontend::mergeAdapters(ImportedModel &model, ArrayRef<AdapterChoice> adapters,
                                           AdaptedType sums) {
  if (adapters.empty())
    return absl::OkStatus();
  absl::StatusOr<AdapterTensors> tensors = AdapterTensors::create(model);
  if (!tensors.ok())
    return tensors.status();
  Merger merger(model, *std::move(tensors), sums);
  for (const AdapterChoice &choice : adapters) {
    absl::StatusOr<peft::Adapter> adapter = peft::Adapter::open(choice.path);
    if (!adapter.ok())
      return adapter.status();
    if (absl::Status status = merger.add(*adapter, choice.scale); !status.ok())
      return status;
    for (std::string &file : adapter->files())
      model.files.push_back(std::move(file));
  }
  merger.rewrite();
  return absl::OkStatus();
}
