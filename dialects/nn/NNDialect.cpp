//===- NNDialect.cpp - registration and types of nn --------------------------------------------------===//

#include "dialects/blocks/AlignedScales.h"
#include "dialects/nn/NN.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Transforms/InliningUtils.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::nn;

#include "dialects/nn/NNDialect.cpp.inc"
#include "dialects/nn/NNEnums.cpp.inc"
#include "dialects/nn/NNInterfaces.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/nn/NNAttributes.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/nn/NNTypes.cpp.inc"

namespace {
/// Operations may be inlined anywhere: they compute values and nothing else.
struct Inlining : DialectInlinerInterface {
  using DialectInlinerInterface::DialectInlinerInterface;
  bool isLegalToInline(Operation *, Region *, bool, IRMapping &) const override { return true; }
  bool isLegalToInline(Region *, Region *, bool, IRMapping &) const override { return true; }
};
} // namespace

void NNDialect::initialize() {
  addInterfaces<Inlining>();
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

Type BlockType::parse(AsmParser &parser) {
  if (parser.parseLess())
    return {};
  FailureOr<BlockFormat> format = FieldParser<BlockFormat>::parse(parser);
  if (failed(format))
    return {};
  const bool aligned = succeeded(parser.parseOptionalComma());
  if ((aligned && parser.parseKeyword("aligned")) || parser.parseGreater())
    return {};
  return get(parser.getContext(), *format, aligned);
}

void BlockType::print(AsmPrinter &printer) const {
  printer << '<' << stringifyBlockFormat(getFormat()) << (getAligned() ? ", aligned>" : ">");
}

bool BlockType::isActivation() const {
  return getFormat() == BlockFormat::Q16_K || getFormat() == BlockFormat::Q8_K;
}

int64_t BlockType::getBlockSize() const {
  if (isActivation())
    return blocks::alignedRun;
  return blocks::traitsOf(*blocks::parseFormat(stringifyBlockFormat(getFormat()))).blockElements;
}

int64_t BlockType::getRowMultiple() const { return isActivation() ? 32 : getBlockSize(); }

int64_t BlockType::getBlockBytes() const {
  if (isActivation())
    return blocks::alignedRun * (getFormat() == BlockFormat::Q16_K ? 2 : 1) + 4;
  const blocks::StorageFormat format = *blocks::parseFormat(stringifyBlockFormat(getFormat()));
  return getAligned() ? blocks::alignedBytesOf(format, getBlockSize()) : blocks::traitsOf(format).blockBytes;
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
