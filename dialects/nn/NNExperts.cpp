//===- NNExperts.cpp - verifier of nn.experts -----------------------------------------------------------===//

#include "dialects/nn/NN.h"

using namespace mlir;
using namespace llmc::nn;

LogicalResult ExpertsOp::verify() {
  auto size = [](Value value, unsigned dim) { return cast<ShapedType>(value.getType()).getDimSize(dim); };
  const int64_t experts = getExperts(), width = size(getInput(), 1), inner = size(getDown(), 1);
  if (ShapedType::isDynamic(experts) || ShapedType::isDynamic(width) || ShapedType::isDynamic(inner) ||
      experts == 0)
    return emitOpError() << "needs known numbers of experts and widths";
  if (static_cast<int64_t>(getTopK()) < 1 || static_cast<int64_t>(getTopK()) > experts)
    return emitOpError() << "chooses " << getTopK() << " of " << experts << " experts";
  for (auto [weight, name] : {std::pair<Value, StringRef>{getGate(), "gate"}, {getUp(), "up"}})
    if (size(weight, 0) != experts * inner || size(weight, 1) != width)
      return emitOpError() << "has a weight '" << name << "' of " << size(weight, 0) << "x" << size(weight, 1)
                           << ", expected " << experts * inner << "x" << width << " for " << experts
                           << " experts";
  if (size(getDown(), 0) != experts * width)
    return emitOpError() << "has a weight 'down' of " << size(getDown(), 0) << "x" << inner << ", expected "
                         << experts * width << "x" << inner << " for " << experts << " experts";
  int64_t inputRows = size(getInput(), 0), routerRows = size(getRouter(), 0);
  if (!ShapedType::isDynamic(inputRows) && !ShapedType::isDynamic(routerRows) && inputRows != routerRows)
    return emitOpError() << "has " << inputRows << " input rows but " << routerRows << " router rows";
  return success();
}
