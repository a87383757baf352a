//===- AdapterTensors.cpp - the matrices of adapters in the order of a model -------------------------===//

#include "frontend/import/AdapterTensors.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "runtime/io/Message.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::frontend;

namespace {

Numbers numbersOf(const safetensors::Tensor &tensor) {
  Numbers result{{tensor.shape.begin(), tensor.shape.end()}, std::vector<float>(tensor.elements())};
  blocks::dequantize(*tensor.weightFormat(), tensor.bytes.data(), tensor.elements(), result.values.data());
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

/// How operations read a parameter.
struct Reading {
  bool asTable = false, otherwise = false;
};

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

/// Adapters of a model without its head, or of one with a prefix, have the ends of names.
bool isEndOf(StringRef end, StringRef name) {
  return name.consume_back(end) && (name.empty() || name.back() == '.');
}

} // namespace

Numbers llmc::frontend::transposeOf(const Numbers &matrix) {
  const int64_t rows = matrix.shape[0], columns = matrix.shape[1];
  Numbers result{{columns, rows}, std::vector<float>(matrix.values.size())};
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t column = 0; column < columns; ++column)
      result.values[column * rows + row] = matrix.values[row * columns + column];
  return result;
}

SmallVector<nn::LoadOp> llmc::frontend::loadsOf(ModuleOp module, StringRef param) {
  SmallVector<nn::LoadOp> loads;
  module.walk([&](nn::LoadOp load) {
    if (load.getParam() == param)
      loads.push_back(load);
  });
  return loads;
}

static Reading readingOf(ModuleOp module, StringRef param) {
  Reading reading;
  for (nn::LoadOp load : loadsOf(module, param))
    collectReadings(load, reading);
  return reading;
}

absl::StatusOr<AdapterTensors> AdapterTensors::create(ImportedModel &model) {
  if (model.source->format() == Format::Onnx)
    return absl::UnimplementedError(absl::StrCat(
        model.source->path(), ": adapters are not supported of ONNX files, whose weights have other names; "
                              "expected the directory of the model"));
  if (model.source->format() == Format::Gguf && model.description.tensors.empty())
    return absl::UnimplementedError(absl::StrCat(model.source->path(),
                                                 ": adapters are not supported of GGUF files of the family ",
                                                 model.info.family, "; expected the directory of the model"));
  AdapterTensors tensors(*model.module, *model.source);
  if (model.source->format() == Format::Gguf)
    tensors.candidates = model.description.tensors;
  else
    for (auto param : model.module->getOps<nn::ParamOp>())
      tensors.candidates.push_back({.huggingFace = param.getSymName().str(), .gguf = ""});
  return tensors;
}

/// `numbers`, whose rows are the outputs of `tensor`, in the order of the checkpoint.
Numbers AdapterTensors::inOrder(Numbers numbers, const NamedTensor &tensor) const {
  const bool reorder = tensor.neighbourHeads > 0 && checkpoint->format() == Format::Gguf;
  return reorder ? toNeighbours(numbers, tensor.neighbourHeads) : std::move(numbers);
}

absl::StatusOr<const NamedTensor *> AdapterTensors::findTensor(const peft::Adapter &adapter,
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
  if (found.size() == 1 && found[0]->experts > 0 && checkpoint->format() == Format::Gguf)
    return absl::UnimplementedError(absl::StrCat(
        adapter.tensorFile(), ": adapts ", io::quote(name), ", one of the experts that ", checkpoint->path(),
        " has in one tensor, which is not supported; expected the directory of the model"));
  if (found.size() == 1)
    return found[0];
  return absl::InvalidArgumentError(
      absl::StrCat(adapter.tensorFile(), ": adapts ", io::quote(name), ", which is ",
                   found.empty() ? "no tensor" : "the end of the names of several tensors", " of ",
                   checkpoint->path(), ", expected an adapter of this model"));
}

/// Refuses what adapts `param`, called `adapted`, if that is a table and the head: PEFT leaves one of them as
/// it was.
absl::Status AdapterTensors::refuseTiedTable(const peft::Adapter &adapter, absl::string_view adapted,
                                             const std::string &param) const {
  const Reading reading = readingOf(module, param);
  if (!reading.asTable || !reading.otherwise)
    return absl::OkStatus();
  return absl::UnimplementedError(absl::StrCat(
      adapter.tensorFile(), ": adapts ", io::quote(adapted), ", whose table is the model's head too, ",
      "which is not supported; expected an adapter of other layers"));
}

absl::StatusOr<ReplacedTensor> AdapterTensors::place(const peft::Adapter &adapter,
                                                     const peft::Replaced &replaced) const {
  absl::StatusOr<const NamedTensor *> tensor = findTensor(adapter, replaced.name);
  if (!tensor.ok())
    return tensor.status();
  const std::string &name = (*tensor)->in(checkpoint->format());
  if (absl::Status status = refuseTiedTable(adapter, replaced.name, name); !status.ok())
    return status;
  const StoredTensor &stored = *checkpoint->find(name);
  Numbers numbers = numbersOf(*replaced.tensor);
  if (numbers.shape.size() == 2 && (stored.isTransposed || (*tensor)->form == NamedTensor::Form::Transposed))
    numbers = transposeOf(numbers);
  if (ArrayRef<int64_t>(numbers.shape) != ArrayRef<int64_t>(stored.shape))
    return absl::InvalidArgumentError(
        absl::StrCat(adapter.tensorFile(), ": tensor ", io::quote(replaced.tensor->name), " has shape [",
                     absl::StrJoin(numbers.shape, ", "), "], expected [", absl::StrJoin(stored.shape, ", "),
                     "] of the tensor that it replaces"));
  if (checkpoint->format() == Format::Gguf && (*tensor)->form == NamedTensor::Form::LessOne)
    for (float &value : numbers.values)
      ++value;
  return ReplacedTensor{name, inOrder(std::move(numbers), **tensor)};
}

absl::StatusOr<AddedProduct> AdapterTensors::place(const peft::Adapter &adapter,
                                                   const peft::LowRank &layer) const {
  absl::StatusOr<const NamedTensor *> tensor = findTensor(adapter, layer.module + ".weight");
  if (!tensor.ok())
    return tensor.status();
  const std::string &name = (*tensor)->in(checkpoint->format());
  const StoredTensor &stored = *checkpoint->find(name);
  if (absl::Status status = refuseTiedTable(adapter, layer.module, name); !status.ok())
    return status;
  const Reading reading = readingOf(module, name);
  Numbers down = numbersOf(*layer.down), up = numbersOf(*layer.up);
  // A table has its rows where other weights have outputs, and its matrices the other way round.
  const int64_t outputs = layer.isEmbedding ? down.shape[1] : up.shape[0],
                inputs = layer.isEmbedding ? up.shape[0] : down.shape[1];
  if (layer.isEmbedding != reading.asTable || stored.shape.size() != 2)
    return absl::InvalidArgumentError(
        absl::StrCat(adapter.tensorFile(), ": tensor ", io::quote(layer.down->name), " is of ",
                     layer.isEmbedding ? "an embedding" : "a linear layer", ", which ",
                     io::quote(layer.module), " of ", checkpoint->path(), " is not"));
  if (stored.shape[0] != outputs || stored.shape[1] != inputs)
    return absl::InvalidArgumentError(absl::StrCat(
        adapter.tensorFile(), ": the matrices of ", io::quote(layer.module), " make [", outputs, ", ", inputs,
        "], expected [", absl::StrJoin(stored.shape, ", "), "] of ", io::quote(name)));
  return AddedProduct{name, layer.isEmbedding,
                      inOrder(layer.isEmbedding ? transposeOf(down) : std::move(up), **tensor),
                      layer.isEmbedding ? std::move(up) : transposeOf(down), layer.scale};
}
