//===- NNDialect.cpp - registration and types of nn --------------------------------------------------===//

#include "dialects/nn/NN.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace llmc::nn;

#include "dialects/nn/NNDialect.cpp.inc"
#include "dialects/nn/NNEnums.cpp.inc"
#include "dialects/nn/NNInterfaces.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/nn/NNAttributes.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/nn/NNTypes.cpp.inc"

void NNDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/nn/NNAttributes.cpp.inc"
      >();
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/nn/NNTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/nn/NNOps.cpp.inc"
      >();
}

int64_t BlockType::getBlockSize() const {
  switch (getFormat()) {
  case BlockFormat::Q4_K:
  case BlockFormat::Q5_K:
  case BlockFormat::Q6_K:
    return 256;
  default:
    return 32;
  }
}

int64_t BlockType::getBlockBytes() const {
  switch (getFormat()) {
  case BlockFormat::Q8_0:
    return 34;
  case BlockFormat::Q4_0:
    return 18;
  case BlockFormat::Q4_1:
    return 20;
  case BlockFormat::Q5_0:
    return 22;
  case BlockFormat::Q5_1:
    return 24;
  case BlockFormat::Q4_K:
    return 144;
  case BlockFormat::Q5_K:
    return 176;
  case BlockFormat::Q6_K:
    return 210;
  case BlockFormat::Q16_0:
    return 68;
  }
  llvm_unreachable("unknown block format");
}

int64_t llmc::nn::getStorageBytes(RankedTensorType type) {
  int64_t elements = type.getNumElements();
  if (auto block = dyn_cast<BlockType>(type.getElementType()))
    return elements / block.getBlockSize() * block.getBlockBytes();
  return elements * type.getElementTypeBitWidth() / 8;
}

bool llmc::nn::isParameter(Value value) {
  if (value.getDefiningOp<LoadOp>())
    return true;
  auto argument = dyn_cast<BlockArgument>(value);
  if (!argument)
    return false;
  auto function = dyn_cast_or_null<FunctionOpInterface>(argument.getOwner()->getParentOp());
  return function && argument.getOwner()->isEntryBlock() &&
         function.getArgAttr(argument.getArgNumber(), kParameterArgument);
}

//===----------------------------------------------------------------------===//
// !nn.kv_cache<3x64xf32>
//===----------------------------------------------------------------------===//

Type KvCacheType::parse(AsmParser &parser) {
  SmallVector<int64_t, 2> shape;
  Type elementType;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseLess() || parser.parseDimensionList(shape, /*allowDynamic=*/false) ||
      parser.parseType(elementType) || parser.parseGreater())
    return {};
  if (shape.size() != 2) {
    parser.emitError(loc) << "a kv_cache has two sizes, heads and head size, but " << shape.size()
                          << " are given";
    return {};
  }
  return getChecked([&] { return parser.emitError(loc); }, parser.getContext(), shape[0], shape[1],
                    elementType);
}

void KvCacheType::print(AsmPrinter &printer) const {
  printer << '<' << getHeads() << 'x' << getHeadDim() << 'x' << getElementType() << '>';
}

LogicalResult KvCacheType::verify(function_ref<InFlightDiagnostic()> emitError, int64_t heads,
                                  int64_t headDim, Type elementType) {
  if (heads <= 0 || headDim <= 0)
    return emitError() << "a kv_cache needs positive sizes, but has " << heads << " heads of " << headDim;
  if (!isa<Float16Type, BFloat16Type, Float32Type, Float64Type, BlockType>(elementType))
    return emitError() << "a kv_cache holds floating-point or block-quantized elements, not " << elementType;
  if (auto block = dyn_cast<BlockType>(elementType); block && headDim % block.getBlockSize() != 0)
    return emitError() << "a kv_cache has heads of " << headDim << ", which is not a multiple of the "
                       << block.getBlockSize() << " elements of a " << stringifyBlockFormat(block.getFormat())
                       << " block";
  return success();
}
