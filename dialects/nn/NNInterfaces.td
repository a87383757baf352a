//===- NNInterfaces.td - what stages of the compiler ask an operation -----------------*- tablegen -*-===//

#ifndef LLMC_DIALECTS_NN_NNINTERFACES_TD
#define LLMC_DIALECTS_NN_NNINTERFACES_TD

include "mlir/IR/OpBase.td"

def NN_ReferenceOpInterface : OpInterface<"ReferenceOpInterface"> {
  let cppNamespace = "::llmc::nn";
  let description = [{
    The reference semantics: what the operation means, computed slowly and plainly. The interpreter and the
    differential checker use it, and nothing else defines an operation a second time. Operations of upstream dialects
    get it as an external model (dialects/nn/reference/UpstreamOps.cpp).
  }];
  let methods = [
    InterfaceMethod<"Evaluates the operation in single precision: reads its operands from `frame`, sets its results.",
      "::llvm::LogicalResult", "evaluateF32", (ins "::llmc::nn::reference::Frame<float> &":$frame)>,
    InterfaceMethod<"The same in double precision.",
      "::llvm::LogicalResult", "evaluateF64", (ins "::llmc::nn::reference::Frame<double> &":$frame)>,
  ];
}

def NN_CostOpInterface : OpInterface<"CostOpInterface"> {
  let cppNamespace = "::llmc::nn";
  let description = "Arithmetic and memory traffic, for rooflines, schedules and `llmc inspect`.";
  let methods = [
    InterfaceMethod<[{
      Returns the cost for `rows` tokens that attend to `context` positions (only attention asks for the latter): a multiply and
      an add are two operations; every parameter byte counts once.
    }], "::llmc::nn::OpCost", "getCost", (ins "int64_t":$rows, "int64_t":$context)>,
  ];
}

def NN_FusionOpInterface : OpInterface<"FusionOpInterface"> {
  let cppNamespace = "::llmc::nn";
  let description = "The part that an operation can play in a fused kernel.";
  let methods = [
    InterfaceMethod<"Returns the operation's role.", "::llmc::nn::FusionRole", "getFusionRole">,
  ];
}

def NN_IterationOpInterface : OpInterface<"IterationOpInterface"> {
  let cppNamespace = "::llmc::nn";
  let description = [{
    The loops that an operation is, and how they reach its operands and results (dialects/nn/Iteration.h): which parts of a result can be
    computed apart, from which parts of the operands. Tiling, sharding and schedules ask it; TilingInterface, which upstream's
    transformations ask, is implemented from it.
  }];
  let methods = [
    InterfaceMethod<"Returns the loops, and for each dimension of operands and results the loop that goes through it.",
      "::llmc::nn::IterationSpace", "getIterationSpace">,
    InterfaceMethod<[{
      Changes attributes that count iterations (heads) of an operation that has been cloned from one with the loops `space`, and has got the
      operands of the tile `offsets`, `sizes`. Fails where they would have to be known and are not.
    }], "::llvm::LogicalResult", "adaptToTile", (ins "const ::llmc::nn::IterationSpace &":$space,
      "::llvm::ArrayRef<::mlir::OpFoldResult>":$offsets, "::llvm::ArrayRef<::mlir::OpFoldResult>":$sizes), [{}], [{
      return ::mlir::success();
    }]>,
  ];
}

def NN_DifferentiableOpInterface : OpInterface<"DifferentiableOpInterface"> {
  let cppNamespace = "::llmc::nn";
  let description = [{
    The derivative of an operation, as a product of a vector and its Jacobian: gradients of operands from gradients of results. An operation
    either builds it or says why it can not be built (`NN_Gradient`, `NN_NoGradient` in NNOps.td).
  }];
  let methods = [
    InterfaceMethod<[{
      Whether the results depend on operand `index` in a differentiable way. Integer operands (ids, positions) do not, nor do blocks, whose
      rounding has no useful derivative.
    }], "bool", "isDifferentiableIn", (ins "unsigned":$index), [{}], [{
      auto type = ::mlir::dyn_cast<::mlir::ShapedType>($_op->getOperand(index).getType());
      return type && ::mlir::isa<::mlir::FloatType>(type.getElementType());
    }]>,
    InterfaceMethod<"Why buildGradients() can not build the gradients of this operation; nothing if it can.",
      "::llvm::StringRef", "getGradientRefusal", (ins), [{}], [{ return {}; }]>,
    InterfaceMethod<[{
      Creates operations of arith, linalg, math, nn, scf and tensor that compute the gradients of operands, and returns one value for each operand, of
      the operand's type: null if it is not `wanted` or the operation is not differentiable in it. `resultGradients` are of the types of the
      results; null stands for zero. What only gradients that are not wanted need is not created, so frozen parameters cost nothing. Fails
      with a diagnostic that names the operation if it refuses.
    }], "::mlir::FailureOr<::llvm::SmallVector<::mlir::Value>>", "buildGradients", (ins "::mlir::OpBuilder &":$builder,
      "::mlir::ValueRange":$resultGradients, "const ::llvm::SmallBitVector &":$wanted), [{}], [{
      return $_op.emitOpError() << "can not be differentiated: " << $_op.getGradientRefusal();
    }]>,
  ];
}

#endif // LLMC_DIALECTS_NN_NNINTERFACES_TD
