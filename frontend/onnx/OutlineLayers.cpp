//===- OutlineLayers.cpp - layers of a flat program as functions -------------------------------------===//

#include "frontend/onnx/OutlineLayers.h"
#include "dialects/nn/NN.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace llmc;

namespace {

/// Operations [begin, end) of the program.
struct Range {
  size_t begin, end;
};

class Outliner {
public:
  explicit Outliner(func::FuncOp forward) : forward(forward) {
    for (Operation &op : forward.front().without_terminator())
      if (!isa<nn::LoadOp>(op)) {
        places[&op] = ops.size();
        ops.push_back(&op);
      }
  }

  void run() {
    SmallVector<Range> layers = findLayers();
    for (auto [index, layer] : llvm::enumerate(layers))
      outline(index, layer);
  }

private:
  /// Where only one activation is alive before operation number i; null elsewhere.
  SmallVector<Value> findNarrowPlaces() const;
  SmallVector<Range> findLayers() const;
  bool areAlike(Range a, Range b) const;
  void outline(size_t index, Range layer);

  func::FuncOp forward;
  SmallVector<Operation *> ops;
  DenseMap<Operation *, size_t> places;
};

SmallVector<Value> Outliner::findNarrowPlaces() const {
  // After which operation the results of each are used for the last time.
  SmallVector<Value> narrow(ops.size() + 1);
  SmallVector<std::pair<Value, size_t>> alive;
  for (size_t i = 0; i <= ops.size(); ++i) {
    llvm::erase_if(alive, [&](const auto &entry) { return entry.second < i; });
    if (alive.size() == 1)
      narrow[i] = alive[0].first;
    if (i == ops.size())
      break;
    for (Value result : ops[i]->getResults()) {
      size_t last = i;
      for (Operation *user : result.getUsers()) {
        auto place = places.find(user);
        last = std::max(last, place == places.end() ? ops.size() : place->second);
      }
      alive.push_back({result, last});
    }
  }
  return narrow;
}

bool Outliner::areAlike(Range a, Range b) const {
  if (a.end - a.begin != b.end - b.begin || b.end > ops.size())
    return false;
  for (size_t i = 0; i < a.end - a.begin; ++i)
    if (ops[a.begin + i]->getName() != ops[b.begin + i]->getName())
      return false;
  return true;
}

SmallVector<Range> Outliner::findLayers() const {
  const SmallVector<Value> narrow = findNarrowPlaces();
  SmallVector<size_t> starts;
  for (size_t i = 0, start = 0; i < ops.size(); ++i) {
    if (narrow[i])
      start = i;
    if (isa<nn::AttentionOp>(ops[i]) && narrow[start])
      starts.push_back(start);
  }
  SmallVector<Range> layers;
  for (size_t i = 0; i + 1 < starts.size(); ++i)
    if (starts[i] < starts[i + 1])
      layers.push_back({starts[i], starts[i + 1]});
  if (layers.empty())
    return layers;
  // The last layer ends where the one before it does.
  const Range before = layers.back(), last = {before.end, before.end + before.end - before.begin};
  if (areAlike(before, last) && narrow[last.end])
    layers.push_back(last);
  return layers;
}

void Outliner::outline(size_t index, Range layer) {
  Operation *first = ops[layer.begin], *end = ops[layer.end - 1]->getNextNode();
  // What comes from outside: activations, then parameters.
  llvm::SetVector<Value> activations, parameters;
  Value result;
  for (size_t i = layer.begin; i < layer.end; ++i) {
    for (Value operand : ops[i]->getOperands()) {
      Operation *definition = operand.getDefiningOp();
      auto place = definition ? places.find(definition) : places.end();
      if (isa_and_nonnull<nn::LoadOp>(definition))
        parameters.insert(operand);
      else if (place == places.end() || place->second < layer.begin)
        activations.insert(operand);
    }
    for (Value value : ops[i]->getResults())
      if (llvm::any_of(value.getUsers(), [&](Operation *user) {
            auto place = places.find(user);
            return place == places.end() || place->second >= layer.end;
          }))
        result = value;
  }
  SmallVector<Value> arguments(activations.begin(), activations.end());
  arguments.append(parameters.begin(), parameters.end());
  OpBuilder builder = OpBuilder::atBlockEnd(forward->getBlock());
  const Location location = first->getLoc();
  auto function =
      func::FuncOp::create(builder, location, ("layer_" + Twine(index)).str(),
                           builder.getFunctionType(ValueRange(arguments).getTypes(), {result.getType()}));
  function.setPrivate();
  Block *body = function.addEntryBlock();
  IRMapping mapping;
  for (auto [argument, value] : llvm::zip(body->getArguments(), arguments)) {
    argument.setLoc(value.getLoc());
    mapping.map(value, argument);
  }
  for (unsigned i = activations.size(); i < arguments.size(); ++i)
    function.setArgAttr(i, nn::kParameterArgument, builder.getUnitAttr());
  builder.setInsertionPointToEnd(body);
  for (size_t i = layer.begin; i < layer.end; ++i)
    builder.clone(*ops[i], mapping);
  func::ReturnOp::create(builder, location, mapping.lookup(result));

  builder.setInsertionPoint(end);
  auto call = func::CallOp::create(builder, location, function, arguments);
  result.replaceAllUsesWith(call.getResult(0));
  for (size_t i = layer.end; i-- > layer.begin;)
    ops[i]->erase();
}

/// Whether row i of the result depends on row i of the first operand only, and on parameters.
bool isRowWise(Operation *op) {
  return isa<nn::LinearOp, nn::LayerNormOp, nn::RmsNormOp, nn::GeluOp, nn::SiluOp, nn::ReluOp, nn::ScaleOp,
             nn::SoftcapOp>(op) ||
         (op->hasTrait<OpTrait::Elementwise>() && op->getNumOperands() == 1);
}

} // namespace

void onnx::outlineLayers(func::FuncOp forward) { Outliner(forward).run(); }

void onnx::selectRowsEarly(func::FuncOp forward) {
  auto select = forward.front().getTerminator()->getOperand(0).getDefiningOp<nn::SelectRowsOp>();
  if (!select)
    return;
  while (Operation *op = select.getInput().getDefiningOp()) {
    if (!isRowWise(op) || !op->hasOneUse())
      return;
    // x -> op -> select becomes x -> select -> op; both have rows of any number.
    Value rows = op->getOperand(0);
    select.getResult().replaceAllUsesWith(op->getResult(0));
    select.getInputMutable().assign(rows);
    select.getResult().setType(cast<RankedTensorType>(rows.getType()));
    select->moveBefore(op);
    op->setOperand(0, select.getResult());
  }
}
