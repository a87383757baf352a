//===- NNParam.cpp - parameters and their initializers ------------------------------------------------===//

#include "dialects/nn/NN.h"

using namespace mlir;
using namespace llmc::nn;

//===----------------------------------------------------------------------===//
// nn.param @name : type [from "tensor"] [= { initializer }]
//===----------------------------------------------------------------------===//

ParseResult ParamOp::parse(OpAsmParser &parser, OperationState &result) {
  StringAttr name, origin;
  Type type;
  if (parser.parseSymbolName(name, SymbolTable::getSymbolAttrName(), result.attributes) ||
      parser.parseColonType(type))
    return failure();
  result.addAttribute(getTypeAttrName(result.name), TypeAttr::get(type));
  if (succeeded(parser.parseOptionalKeyword("from"))) {
    if (parser.parseAttribute(origin))
      return failure();
    result.addAttribute(getOriginAttrName(result.name), origin);
  }
  Region *initializer = result.addRegion();
  if (succeeded(parser.parseOptionalEqual()) && parser.parseRegion(*initializer))
    return failure();
  return parser.parseOptionalAttrDictWithKeyword(result.attributes);
}

void ParamOp::print(OpAsmPrinter &printer) {
  printer << ' ';
  printer.printSymbolName(getSymName());
  printer << " : " << getType();
  if (getOriginAttr())
    printer << " from " << getOriginAttr();
  if (isDerived()) {
    printer << " = ";
    printer.printRegion(getInitializer());
  }
  printer.printOptionalAttrDictWithKeyword((*this)->getAttrs(),
                                           {getSymNameAttrName(), getTypeAttrName(), getOriginAttrName()});
}

LogicalResult ParamOp::verify() {
  auto type = cast<RankedTensorType>(getType());
  if (!type.hasStaticShape())
    return emitOpError() << "needs a static shape, but has type " << type;
  if (isa<BlockType>(type.getElementType()) && type.getRank() == 0)
    return emitOpError() << "has blocks without a dimension";
  if (auto block = dyn_cast<BlockType>(type.getElementType())) {
    if (block.isActivation())
      return emitOpError() << "has type " << type << ", which only activations can have";
    if (block.getAligned() && !isDerived())
      return emitOpError() << "has type " << type << ", which no file stores: expected an initializer";
  }
  if (auto block = dyn_cast<BlockType>(type.getElementType()))
    if (type.getShape().back() % block.getBlockSize() != 0)
      return emitOpError() << "has rows of " << type.getShape().back()
                           << " elements, which is not a multiple of the " << block.getBlockSize() << " of a "
                           << stringifyBlockFormat(block.getFormat()) << " block";
  if (isDerived() && getOrigin())
    return emitOpError() << "is either computed or read from a tensor, not both";
  return success();
}

LogicalResult ParamOp::verifyRegions() {
  if (!isDerived())
    return success();
  Block &block = getInitializer().front();
  auto yield = block.empty() ? YieldOp() : dyn_cast<YieldOp>(block.back());
  if (!yield || yield.getValues().size() != 1)
    return emitOpError() << "needs an initializer that yields one value";
  if (yield.getValues()[0].getType() != getType())
    return emitOpError() << "has type " << getType() << " but its initializer yields "
                         << yield.getValues()[0].getType();
  for (Operation &op : block)
    if (!isa<YieldOp>(op) && !isPure(&op))
      return emitOpError() << "has an initializer with '" << op.getName() << "', which is not pure";
  return success();
}

Value ParamOp::getInitialValue() { return cast<YieldOp>(getInitializer().front().back()).getValues()[0]; }

LogicalResult LoadOp::verifySymbolUses(SymbolTableCollection &symbolTable) {
  auto param = symbolTable.lookupNearestSymbolFrom<ParamOp>(*this, getParamAttr());
  if (!param) // An initializer is isolated from above but in the module's symbol table.
    param = symbolTable.lookupSymbolIn<ParamOp>((*this)->getParentOfType<ModuleOp>(), getParamAttr());
  if (!param)
    return emitOpError() << "loads @" << getParam() << ", which is no parameter of the module";
  if (param.getType() != getResult().getType())
    return emitOpError() << "loads @" << getParam() << " as " << getResult().getType()
                         << ", but it is declared as " << param.getType();
  return success();
}
