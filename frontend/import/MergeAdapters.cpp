//===- MergeAdapters.cpp - low-rank matrices become a part of a model's weights ----------------------===//

#include "frontend/import/MergeAdapters.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "dialects/nn/NN.h"
#include "frontend/peft/Adapter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "runtime/io/Message.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::frontend;

namespace {

/// A matrix of numbers in f32, row by row, or a vector.
struct Numbers {
  SmallVector<int64_t> shape;
  std::vector<float> values;
};

Numbers numbersOf(const safetensors::Tensor &tensor) {
  Numbers result{{tensor.shape.begin(), tensor.shape.end()}, std::vector<float>(tensor.elements())};
  blocks::dequantize(*tensor.weightFormat(), tensor.bytes.data(), tensor.elements(), result.values.data());
  return result;
}

Numbers transposeOf(const Numbers &matrix) {
  const int64_t rows = matrix.shape[0], columns = matrix.shape[1];
  Numbers result{{columns, rows}, std::vector<float>(matrix.values.size())};
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t column = 0; column < columns; ++column)
      result.values[column * rows + row] = matrix.values[row * columns + column];
  return result;
}

/// The rows of `heads` heads, which are the halves of rotating pairs, with the members of pairs side by side.
Numbers toNeighbours(const Numbers &halves, int64_t heads) {
  Numbers result = halves;
  const int64_t rows = halves.shape[0], headRows = rows / heads, half = headRows / 2,
                width = static_cast<int64_t>(halves.values.size()) / rows;
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t head = row / headRows, place = row % headRows;
    const int64_t from = head * headRows + place % 2 * half + place / 2;
    std::copy_n(halves.values.begin() + from * width, width, result.values.begin() + row * width);
  }
  return result;
}

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

/// How operations read a parameter.
struct Reading {
  bool asTable = false, otherwise = false;
};

class Merger {
public:
  Merger(ImportedModel &model, AdaptedType sums)
      : module(*model.module), checkpoint(*model.source), description(model.description), sums(sums),
        b(module.getLoc(), module.getContext()) {
    if (checkpoint.format() == Format::Gguf)
      candidates = description.tensors;
    else
      for (auto param : module.getOps<nn::ParamOp>())
        candidates.push_back({.huggingFace = param.getSymName().str(), .gguf = ""});
  }

  absl::Status add(const peft::Adapter &adapter, double scale) {
    const std::string prefix = absl::StrCat("lora.", count++, ".");
    for (const peft::Replaced &replaced : adapter.replaced())
      if (absl::Status status = addReplaced(adapter, replaced, prefix); !status.ok())
        return status;
    for (const peft::LowRank &layer : adapter.lowRank())
      if (absl::Status status = addProduct(adapter, layer, scale, prefix); !status.ok())
        return status;
    return absl::OkStatus();
  }

  void rewrite() {
    for (auto &[name, change] : changes)
      rewrite(module.lookupSymbol<nn::ParamOp>(name), change);
  }

private:
  absl::StatusOr<const NamedTensor *> findTensor(const peft::Adapter &adapter, const std::string &name) const;
  absl::Status addReplaced(const peft::Adapter &adapter, const peft::Replaced &replaced,
                           const std::string &prefix);
  absl::Status addProduct(const peft::Adapter &adapter, const peft::LowRank &layer, double scale,
                          const std::string &prefix);
  const std::string &nameOf(const NamedTensor &tensor) const { return tensor.in(checkpoint.format()); }
  /// `numbers`, whose rows are the outputs of `tensor`, in the order of the checkpoint.
  Numbers inOrder(Numbers numbers, const NamedTensor &tensor) const {
    const bool reorder = tensor.neighbourHeads > 0 && checkpoint.format() == Format::Gguf;
    return reorder ? toNeighbours(numbers, tensor.neighbourHeads) : std::move(numbers);
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
  const Description &description;
  const AdaptedType sums;
  ImplicitLocOpBuilder b;
  /// The tensors of the model, under the names that adapters know them by.
  std::vector<NamedTensor> candidates;
  llvm::MapVector<StringRef, Change> changes; ///< by the names of parameters
  int64_t count = 0;
};

//===----------------------------------------------------------------------===//
// What adapters have
//===----------------------------------------------------------------------===//

/// Adapters of a model without its head, or of one with a prefix, have the ends of names.
bool isEndOf(StringRef end, StringRef name) {
  return name.consume_back(end) && (name.empty() || name.back() == '.');
}

absl::StatusOr<const NamedTensor *> Merger::findTensor(const peft::Adapter &adapter,
                                                       const std::string &name) const {
  SmallVector<const NamedTensor *> found;
  for (const NamedTensor &candidate : candidates) {
    if (candidate.huggingFace == name) {
      found = {&candidate};
      break;
    }
    if (isEndOf(name, candidate.huggingFace) || isEndOf(candidate.huggingFace, name))
      found.push_back(&candidate);
  }
  if (found.size() == 1 && found[0]->experts > 0 && checkpoint.format() == Format::Gguf)
    return absl::UnimplementedError(absl::StrCat(
        adapter.tensorFile(), ": adapts ", io::quote(name), ", one of the experts that ", checkpoint.path(),
        " has in one tensor, which is not supported; expected the directory of the model"));
  if (found.size() == 1)
    return found[0];
  return absl::InvalidArgumentError(
      absl::StrCat(adapter.tensorFile(), ": adapts ", io::quote(name), ", which is ",
                   found.empty() ? "no tensor" : "the end of the names of several tensors", " of ",
                   checkpoint.path(), ", expected an adapter of this model"));
}

absl::Status Merger::addReplaced(const peft::Adapter &adapter, const peft::Replaced &replaced,
                                 const std::string &prefix) {
  absl::StatusOr<const NamedTensor *> tensor = findTensor(adapter, replaced.name);
  if (!tensor.ok())
    return tensor.status();
  const std::string &name = nameOf(**tensor);
  const StoredTensor &stored = *checkpoint.find(name);
  Numbers numbers = numbersOf(*replaced.tensor);
  if (numbers.shape.size() == 2 && (stored.isTransposed || (*tensor)->form == NamedTensor::Form::Transposed))
    numbers = transposeOf(numbers);
  if (ArrayRef<int64_t>(numbers.shape) != ArrayRef<int64_t>(stored.shape))
    return absl::InvalidArgumentError(
        absl::StrCat(adapter.tensorFile(), ": tensor ", io::quote(replaced.tensor->name), " has shape [",
                     absl::StrJoin(numbers.shape, ", "), "], expected [", absl::StrJoin(stored.shape, ", "),
                     "] of the tensor that it replaces"));
  if (checkpoint.format() == Format::Gguf && (*tensor)->form == NamedTensor::Form::LessOne)
    for (float &value : numbers.values)
      ++value;
  Change &change = changes[module.lookupSymbol<nn::ParamOp>(name).getSymName()];
  if (!change.replacement.empty())
    return absl::InvalidArgumentError(absl::StrCat(adapter.tensorFile(), ": tensor ",
                                                   io::quote(replaced.tensor->name),
                                                   " is replaced by another adapter too"));
  change.replacement = prefix + name;
  addTensor(change.replacement, inOrder(std::move(numbers), **tensor));
  return absl::OkStatus();
}

/// Adds to `reading` how the operations behind `value` use it.
void collectReadings(Value value, Reading &reading) {
  for (OpOperand &use : value.getUses()) {
    Operation *user = use.getOwner();
    if (auto call = dyn_cast<func::CallOp>(user)) {
      auto callee = call->getParentOfType<ModuleOp>().lookupSymbol<func::FuncOp>(call.getCallee());
      collectReadings(callee.getArgument(use.getOperandNumber()), reading);
    } else if (isa<nn::ConvertOp, nn::ConcatOp>(user)) {
      collectReadings(user->getResult(0), reading);
    } else {
      (isa<nn::EmbeddingOp>(user) ? reading.asTable : reading.otherwise) = true;
    }
  }
}

SmallVector<nn::LoadOp> loadsOf(ModuleOp module, StringRef param) {
  SmallVector<nn::LoadOp> loads;
  module.walk([&](nn::LoadOp load) {
    if (load.getParam() == param)
      loads.push_back(load);
  });
  return loads;
}

Reading readingOf(ModuleOp module, StringRef param) {
  Reading reading;
  for (nn::LoadOp load : loadsOf(module, param))
    collectReadings(load, reading);
  return reading;
}

absl::Status Merger::addProduct(const peft::Adapter &adapter, const peft::LowRank &layer, double scale,
                                const std::string &prefix) {
  absl::StatusOr<const NamedTensor *> tensor = findTensor(adapter, layer.module + ".weight");
  if (!tensor.ok())
    return tensor.status();
  const std::string &name = nameOf(**tensor);
  const StoredTensor &stored = *checkpoint.find(name);
  const Reading reading = readingOf(module, name);
  if (reading.asTable && reading.otherwise)
    return absl::UnimplementedError(absl::StrCat(
        adapter.tensorFile(), ": adapts ", io::quote(layer.module), ", whose table is the model's head too, ",
        "which is not supported; expected an adapter of other layers"));
  Numbers down = numbersOf(*layer.down), up = numbersOf(*layer.up);
  // A table has its rows where other weights have outputs, and its matrices the other way round.
  const int64_t outputs = layer.isEmbedding ? down.shape[1] : up.shape[0],
                inputs = layer.isEmbedding ? up.shape[0] : down.shape[1];
  if (layer.isEmbedding != reading.asTable || stored.shape.size() != 2)
    return absl::InvalidArgumentError(
        absl::StrCat(adapter.tensorFile(), ": tensor ", io::quote(layer.down->name), " is of ",
                     layer.isEmbedding ? "an embedding" : "a linear layer", ", which ",
                     io::quote(layer.module), " of ", checkpoint.path(), " is not"));
  if (stored.shape[0] != outputs || stored.shape[1] != inputs)
    return absl::InvalidArgumentError(absl::StrCat(
        adapter.tensorFile(), ": the matrices of ", io::quote(layer.module), " make [", outputs, ", ", inputs,
        "], expected [", absl::StrJoin(stored.shape, ", "), "] of ", io::quote(name)));
  const std::string stem = prefix + layer.module;
  Product product{stem + ".up", stem + ".down", layer.scale * scale};
  addTensor(product.left, inOrder(layer.isEmbedding ? transposeOf(down) : std::move(up), **tensor));
  addTensor(product.right, layer.isEmbedding ? std::move(up) : transposeOf(down));
  changes[module.lookupSymbol<nn::ParamOp>(name).getSymName()].products.push_back(std::move(product));
  return absl::OkStatus();
}

//===----------------------------------------------------------------------===//
// What becomes of the program
//===----------------------------------------------------------------------===//

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
  if (model.source->format() == Format::Onnx)
    return absl::UnimplementedError(absl::StrCat(
        model.source->path(), ": adapters are not supported of ONNX files, whose weights have other names; "
                              "expected the directory of the model"));
  if (model.source->format() == Format::Gguf && model.description.tensors.empty())
    return absl::UnimplementedError(absl::StrCat(model.source->path(),
                                                 ": adapters are not supported of GGUF files of the family ",
                                                 model.info.family, "; expected the directory of the model"));
  Merger merger(model, sums);
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
