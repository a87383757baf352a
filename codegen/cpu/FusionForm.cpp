//===- FusionForm.cpp - which fusions kernels can compute ---------------------------------------------===//

#include "codegen/cpu/FusionForm.h"

#include "codegen/cpu/FunctionLowering.h"
#include "passes/NotSupported.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace llmc::codegen {

namespace {

int64_t widthOf(Value value) { return cast<RankedTensorType>(value.getType()).getDimSize(1); }

int64_t groupSize(nn::RmsNormOp norm) {
  return cast<RankedTensorType>(norm.getWeight().getType()).getDimSize(0);
}

/// Whether only rotations read `value`.
bool isTable(Value value) {
  return llvm::all_of(value.getUses(), [](OpOperand &use) {
    auto rotation = dyn_cast<nn::RotateOp>(use.getOwner());
    return rotation && use.get() == rotation.getTable();
  });
}

} // namespace

SmallVector<Value> sliceOf(Value value, Value stop) {
  llvm::SetVector<Value> slice;
  slice.insert(value);
  for (size_t i = 0; i < slice.size(); ++i)
    if (slice[i] != stop && !outerValue(slice[i]))
      slice.insert_range(slice[i].getDefiningOp()->getOperands());
  return slice.takeVector();
}

nn::SplitOp splitOf(nn::LinearOp op) {
  for (Operation *user : op.getResult().getUsers())
    if (auto split = dyn_cast<nn::SplitOp>(user))
      return split;
  return {};
}

bool isInOrder(const WidthLayout &layout, int64_t lanes) {
  if (layout.isPlain())
    return true;
  if (layout.rotaryDims == 0)
    return layout.headSize % lanes == 0;
  return layout.style == 0 && layout.rotaryDims == layout.headSize && layout.rotaryDims / 2 % lanes == 0;
}

nn::RmsNormOp groupNormOf(nn::FusionOp fusion) {
  for (auto norm : fusion.getBody().front().getOps<nn::RmsNormOp>()) {
    const bool isOneHead = llvm::any_of(norm.getResult().getUsers(), [](Operation *user) {
      return isa<nn::RotateOp, nn::CacheAppendOp>(user);
    });
    if (isOneHead || groupSize(norm) != widthOf(norm.getInput()))
      return norm;
  }
  return {};
}

WidthLayout layoutOf(nn::RmsNormOp groupNorm) {
  WidthLayout layout = layoutOf(groupNorm.getResult());
  if (!layout.isPlain())
    return layout;
  return {widthOf(groupNorm.getInput()) / groupSize(groupNorm), groupSize(groupNorm), 0, 0};
}

bool isKeptAs(const WidthLayout &layout, const WidthLayout &other, int64_t lanes) {
  return layout == other || (isInOrder(layout, lanes) && isInOrder(other, lanes));
}

LogicalResult checkHeadNorm(nn::FusionOp fusion, nn::RmsNormOp norm) {
  const WidthLayout layout = layoutOf(norm);
  if (layout.headSize != groupSize(norm))
    return emitNotSupported(norm) << "over groups of " << groupSize(norm)
                                  << " elements of what is rotated or cached in heads of " << layout.headSize
                                  << " is not supported by the CPU code generator";
  if (!outerValue(norm.getInput()) || !outerValue(norm.getWeight()))
    return emitNotSupported(norm) << "over groups is not supported by the CPU code generator together with "
                                     "what its input or weight is computed from";
  for (Operation &op : fusion.getBody().front().without_terminator()) {
    auto rotation = dyn_cast<nn::RotateOp>(op);
    const bool rotatesNorm =
        rotation && rotation.getInput() == norm.getResult() && outerValue(rotation.getTable());
    if (&op != norm && !rotatesNorm && !isa<nn::CacheAppendOp>(op))
      return emitNotSupported(&op)
             << "is not supported by the CPU code generator in one kernel with a norm over groups";
  }
  return success();
}

LogicalResult checkHeadNormLayout(nn::RmsNormOp norm, const WidthLayout &other, int64_t lanes) {
  if (isKeptAs(layoutOf(norm), other, lanes))
    return success();
  return emitNotSupported(norm) << "over groups of " << groupSize(norm)
                                << " elements is not supported here by the CPU code generator, whose vectors "
                                   "have "
                                << lanes
                                << ": expected groups of whole vectors, or heads between a product and "
                                   "attention";
}

LogicalResult checkRowOperation(Operation *op, Value result) {
  if (auto convert = dyn_cast<nn::ConvertOp>(op)) {
    Type element = cast<RankedTensorType>(convert.getType()).getElementType();
    auto block = dyn_cast<nn::BlockType>(element);
    bool stored = element.isBF16() || (block && block.isActivation());
    if (convert.getResult() != result || !stored)
      return emitNotSupported(op)
             << "to " << element
             << " is not supported here by the CPU code generator: a row kernel converts "
                "last, to bf16, q8_k or q16_k";
  }
  if (auto norm = dyn_cast<nn::RmsNormOp>(op))
    if (groupSize(norm) != widthOf(norm.getInput()))
      return emitNotSupported(op) << "over groups is not supported here: no kernel of whole rows computes it";
  if (isa<nn::RmsNormOp, nn::LayerNormOp>(op)) {
    for (Value parameter : op->getOperands().drop_front())
      if (!outerValue(parameter))
        return emitNotSupported(op)
               << "has a parameter that is computed with it, which the CPU code generator does not support";
    return success();
  }
  return isa<nn::ConvertOp>(op) ? success() : checkElementwise(op);
}

LogicalResult checkEpilogue(nn::LinearOp product, const Store &store, int64_t lanes) {
  auto hasStoredLayout = [&](const WidthLayout &layout) { return isKeptAs(layout, store.layout, lanes); };
  for (Value value : sliceOf(store.value, product.getResult())) {
    if (outerValue(value)) {
      if (!nn::isParameter(outerValue(value)) && !isTable(value) && !isInOrder(store.layout, lanes) &&
          !hasStoredLayout(layoutOf(value)))
        return emitNotSupported(product) << "reads a value element-wise that is kept in another layout";
      continue;
    }
    Operation *op = value.getDefiningOp();
    const bool isPart = isa<nn::SplitOp>(op) && op->getOperand(0) == product.getResult();
    if (op == product && splitOf(product) == nullptr && !hasStoredLayout(layoutOf(value)))
      return emitNotSupported(op) << "has a result in another layout than what is computed from it";
    if ((isPart || isa<nn::RotateOp>(op)) && !hasStoredLayout(layoutOf(value)))
      return emitNotSupported(op) << "has a result in another layout than what is computed from it";
    if (op == product || isPart)
      continue;
    if (auto rotation = dyn_cast<nn::RotateOp>(op)) {
      if (!outerValue(rotation.getTable()))
        return emitNotSupported(op) << "has a table that is computed with it, which the CPU code generator "
                                       "does not support";
      continue;
    }
    if (failed(checkElementwise(op)))
      return failure();
    if (!keepsPaddingZero(op) && !isInOrder(store.layout, lanes))
      return emitNotSupported(op) << "on heads of " << store.layout.headSize
                                  << " elements, which are padded, is not supported by the CPU code "
                                     "generator";
  }
  return success();
}

} // namespace llmc::codegen
