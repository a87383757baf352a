//===- Dropout.cpp - where a model drops numbers ----------------------------------------------------------===//
//
// The places are found in the graph, whatever family built it: the sum of a token's embeddings (and the norm
// that nothing but it passes, as BERT has), and what is added to it, layer by layer.
//
//===------------------------------------------------------------------------------------------------===//

#include "absl/strings/str_cat.h"
#include "frontend/recipe/LossFunction.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

using namespace mlir;

namespace llmc::recipe {

namespace {

/// The first stream of a graph: lower numbers are other uses of the same key (train/Masking.cpp,
/// Batches.cpp).
constexpr int64_t kFirstStream = 16;

class DropoutInsertion {
public:
  DropoutInsertion(func::FuncOp loss, const train::Dropout &rates)
      : loss(loss), rates(rates), b(loss.getLoc(), loss.getContext()) {}

  absl::Status run() {
    findPlaces();
    if (rates.embedding() > 0) {
      if (embeddings.empty())
        return absl::InvalidArgumentError("dropout.embedding: the model has no embeddings of tokens");
      for (Value value : embeddings)
        value.replaceUsesWithIf(drop(value, rates.embedding()),
                                [](OpOperand &use) { return !isa<nn::DropoutOp>(use.getOwner()); });
    }
    if (rates.residual() > 0 && branches.empty())
      return absl::InvalidArgumentError("dropout.residual: the model adds nothing to its embeddings");
    for (OpOperand *branch : branches)
      dropOperand(*branch, rates.residual());
    for (OpOperand *input : adapterInputs)
      dropOperand(*input, rates.lora());
    return absl::OkStatus();
  }

private:
  void findPlaces() {
    DenseSet<Value> embedded, passing;
    for (Operation &op : loss.front()) {
      if (auto embedding = dyn_cast<nn::EmbeddingOp>(op)) {
        auto load = embedding.getTable().getDefiningOp<nn::LoadOp>();
        if (load && !load.getParam().starts_with(kReferencePrefix)) // which never learns
          embedded.insert(embedding);
      } else if (isa<arith::AddFOp>(op)) {
        findBranch(&op, embedded, passing);
      } else if (isa<nn::ScaleOp, nn::ConvertOp, nn::RmsNormOp, nn::LayerNormOp>(op)) {
        // A norm that only one of two paths takes is the beginning of a branch.
        const bool isNorm = isa<nn::RmsNormOp, nn::LayerNormOp>(op);
        Value input = op.getOperand(0);
        if (embedded.contains(input) && (!isNorm || input.hasOneUse()))
          embedded.insert(op.getResult(0));
        else if (passing.contains(input))
          passing.insert(op.getResult(0));
      } else if (auto linear = dyn_cast<nn::LinearOp>(op)) {
        auto load = linear.getWeight().getDefiningOp<nn::LoadOp>();
        if (load && load.getParam().ends_with(kLoraDownSuffix))
          adapterInputs.push_back(&linear.getInputMutable());
      }
    }
    // The last values of which all uses are something else.
    for (Operation &op : loss.front())
      if (op.getNumResults() == 1 && embedded.contains(op.getResult(0)) &&
          llvm::none_of(op.getUsers(), [&](Operation *user) {
            return user->getNumResults() == 1 && embedded.contains(user->getResult(0));
          }))
        embeddings.push_back(op.getResult(0));
  }

  void findBranch(Operation *add, DenseSet<Value> &embedded, DenseSet<Value> &passing) {
    OpOperand &left = add->getOpOperand(0), &right = add->getOpOperand(1);
    if (embedded.contains(left.get()) && embedded.contains(right.get())) {
      embedded.insert(add->getResult(0));
      return;
    }
    auto passes = [&](Value value) { return passing.contains(value) || embedded.contains(value); };
    if (passes(left.get()) == passes(right.get()))
      return;
    branches.push_back(passes(left.get()) ? &right : &left);
    passing.insert(add->getResult(0));
  }

  void dropOperand(OpOperand &operand, double rate) {
    if (rate > 0)
      operand.set(drop(operand.get(), rate));
  }

  Value drop(Value value, double rate) {
    b.setInsertionPointAfterValue(value);
    const int64_t count = cast<RankedTensorType>(value.getType()).getDimSize(0); // known of sources only
    Value rows = addInput(loss, ShapedType::isDynamic(count) ? "rows" : "source_rows",
                          RankedTensorType::get({count}, b.getI32Type()));
    Value draw = addInput(loss, "draw", RankedTensorType::get({3}, b.getI32Type()));
    return nn::DropoutOp::create(b, value, rows, draw, b.getF64FloatAttr(rate),
                                 b.getI64IntegerAttr(nextStream++));
  }

  func::FuncOp loss;
  const train::Dropout &rates;
  ImplicitLocOpBuilder b;
  int64_t nextStream = kFirstStream;
  SmallVector<Value> embeddings;
  SmallVector<OpOperand *> branches, adapterInputs;
};

} // namespace

absl::Status addDropout(func::FuncOp loss, const train::Dropout &dropout) {
  return DropoutInsertion(loss, dropout).run();
}

} // namespace llmc::recipe
