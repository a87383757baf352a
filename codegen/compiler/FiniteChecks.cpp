//===- FiniteChecks.cpp - which tensor of a step is first no number -----------------------------------------===//

#include "codegen/compiler/FiniteChecks.h"

#include "dialects/nn/NN.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "train/NumericChecks.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace llmc::codegen {

/// The names in `location`, of fused operations those of all.
static std::string nameOf(Location location) {
  llvm::SmallSetVector<StringRef, 4> names;
  location->walk([&](Location part) {
    if (auto name = dyn_cast<NameLoc>(part))
      names.insert(name.getName().getValue());
    return WalkResult::advance();
  });
  return names.empty() ? "an operation" : llvm::join(names, ", ");
}

/// Sums of x - x over each row of `tensor`: 0 of numbers, NaN of others.
static Value buildCheck(ImplicitLocOpBuilder &b, Value tensor) {
  auto type = cast<RankedTensorType>(tensor.getType());
  const unsigned rank = type.getRank();
  auto result = RankedTensorType::get({type.getDimSize(0)}, b.getF32Type());
  Value init = tensor::EmptyOp::create(b, result.getShape(), result.getElementType());
  if (rank > 1) {
    Value zero = arith::ConstantOp::create(b, b.getF32FloatAttr(0));
    init = linalg::FillOp::create(b, ValueRange{zero}, ValueRange{init}).getResult(0);
  }
  SmallVector<utils::IteratorType> iterators(rank, utils::IteratorType::reduction);
  iterators[0] = utils::IteratorType::parallel;
  SmallVector<AffineMap> maps = {b.getMultiDimIdentityMap(rank),
                                 AffineMap::getMultiDimMapWithTargets(rank, {0}, b.getContext())};
  return linalg::GenericOp::create(
             b, TypeRange{result}, ValueRange{tensor}, ValueRange{init}, maps, iterators,
             [&](OpBuilder &nested, Location loc, ValueRange arguments) {
               Value x = arguments[0];
               if (!x.getType().isF32())
                 x = arith::ExtFOp::create(nested, loc, nested.getF32Type(), x);
               Value difference = arith::SubFOp::create(nested, loc, x, x);
               if (rank > 1)
                 difference = arith::AddFOp::create(nested, loc, arguments[1], difference);
               linalg::YieldOp::create(nested, loc, difference);
             })
      .getResult(0);
}

void addFiniteChecks(func::FuncOp loss) {
  Operation *terminator = loss.front().getTerminator();
  Operation *lossOp = terminator->getOperand(0).getDefiningOp();
  SmallVector<Value> checks;
  SmallVector<std::string> names;
  bool isForward = true;
  for (Operation &op : llvm::make_early_inc_range(loss.front())) {
    const bool isComputed = isa<linalg::GenericOp, nn::EmbeddingOp, nn::ScatterRowsOp, nn::SelectRowsOp,
                                nn::AttentionOp, nn::AttentionGradientOp, nn::RotateOp>(op);
    for (Value value : op.getResults()) {
      auto type = dyn_cast<RankedTensorType>(value.getType());
      // A second use would make results be added up elsewhere.
      const bool isResult = llvm::is_contained(value.getUsers(), terminator);
      if (!isComputed || isResult || !type || !isa<FloatType>(type.getElementType()) || type.getRank() == 0)
        continue;
      ImplicitLocOpBuilder b(op.getLoc(), op.getContext());
      b.setInsertionPointAfterValue(value);
      checks.push_back(buildCheck(b, value));
      names.push_back(
          train::checkName(names.size(), (isForward ? "" : "a gradient in ") + nameOf(op.getLoc())));
    }
    isForward = isForward && &op != lossOp;
  }
  terminator->insertOperands(terminator->getNumOperands(), checks);
  Builder b(loss.getContext());
  for (auto [check, name] : llvm::zip(checks, names))
    (void)loss.insertResult(loss.getNumResults(), check.getType(),
                            b.getDictionaryAttr(b.getNamedAttr("nn.output", b.getStringAttr(name))));
}

} // namespace llmc::codegen
