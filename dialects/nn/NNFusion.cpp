//===- NNFusion.cpp - nn.fusion ------------------------------------------------------------------------===//

#include "dialects/nn/NN.h"

using namespace mlir;
using namespace llmc::nn;

// nn.fusion(%a = %x, %w = %weight) : (type, type) -> type { body }
ParseResult FusionOp::parse(OpAsmParser &parser, OperationState &result) {
  SmallVector<OpAsmParser::Argument> arguments;
  SmallVector<OpAsmParser::UnresolvedOperand> operands;
  SMLoc loc = parser.getCurrentLocation();
  FunctionType type;
  if (parser.parseCommaSeparatedList(OpAsmParser::Delimiter::Paren, [&]() -> ParseResult {
        return failure(parser.parseArgument(arguments.emplace_back()) || parser.parseEqual() ||
                       parser.parseOperand(operands.emplace_back()));
      }))
    return failure();
  if (parser.parseOptionalAttrDict(result.attributes) || parser.parseColonType(type))
    return failure();
  if (type.getNumInputs() != arguments.size())
    return parser.emitError(loc) << "has " << arguments.size() << " inputs but a type with "
                                 << type.getNumInputs();
  for (auto [argument, argumentType] : llvm::zip(arguments, type.getInputs()))
    argument.type = argumentType;
  result.addTypes(type.getResults());
  Region *body = result.addRegion();
  if (parser.resolveOperands(operands, type.getInputs(), loc, result.operands) ||
      parser.parseRegion(*body, arguments))
    return failure();
  FusionOp::ensureTerminator(*body, parser.getBuilder(), result.location);
  return success();
}

void FusionOp::print(OpAsmPrinter &printer) {
  printer << '(';
  llvm::interleaveComma(llvm::zip(getBody().getArguments(), getInputs()), printer, [&](auto pair) {
    printer.printOperand(std::get<0>(pair));
    printer << " = ";
    printer.printOperand(std::get<1>(pair));
  });
  printer << ')';
  printer.printOptionalAttrDict((*this)->getAttrs());
  printer << " : ";
  printer.printFunctionalType(getInputs().getTypes(), getResultTypes());
  printer << ' ';
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/false);
}

LogicalResult FusionOp::verify() {
  Block &block = getBody().front();
  if (block.getArgumentTypes() != getInputs().getTypes())
    return emitOpError() << "has a body whose arguments differ in type from its inputs";
  auto yield = cast<YieldOp>(block.getTerminator());
  if (yield.getValues().getTypes() != getResultTypes())
    return emitOpError() << "has a body whose yielded values differ in type from its results";
  int products = 0;
  for (Operation &op : block.without_terminator()) {
    if (!isPure(&op))
      return emitOpError() << "contains '" << op.getName() << "', which is not pure";
    auto fusible = dyn_cast<FusionOpInterface>(op);
    FusionRole role = fusible ? fusible.getFusionRole() : FusionRole::Elementwise;
    products += role == FusionRole::Contraction || role == FusionRole::Attention;
  }
  if (products > 1)
    return emitOpError() << "contains " << products << " products, at most one is possible in a kernel";
  return success();
}
