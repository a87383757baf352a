//===- NN.h - the model dialect ----------------------------------------------------------------------===//
//
// Everything of the nn dialect: types, attributes, interfaces, operations. The manual is NNOps.td.
//
//===------------------------------------------------------------------------------------------------===//
#ifndef LLMC_DIALECTS_NN_NN_H
#define LLMC_DIALECTS_NN_NN_H

#include "dialects/nn/Iteration.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/Linalg/IR/LinalgInterfaces.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/SmallBitVector.h"

namespace mlir {
class DialectRegistry;
}

#include "dialects/nn/NNDialect.h.inc"
#include "dialects/nn/NNEnums.h.inc"

namespace llmc::nn {

namespace reference {
/// Values of an evaluation in progress (dialects/nn/reference/Frame.h).
template <typename T> class Frame;
} // namespace reference

/// Arithmetic and memory traffic of an operation.
struct OpCost {
  double flops = 0;           ///< a multiply and an add are two
  double parameterBytes = 0;  ///< bytes of weights read once
  double activationBytes = 0; ///< bytes of activations and caches read and written
  OpCost &operator+=(const OpCost &other) {
    flops += other.flops;
    parameterBytes += other.parameterBytes;
    activationBytes += other.activationBytes;
    return *this;
  }
};

/// The part that an operation plays in a fused kernel.
enum class FusionRole {
  Contraction, ///< a product: at most one a kernel
  Attention,   ///< a kernel of its own: attention, experts
  RowWise,     ///< needs a whole row before its first output: norms, quantization. A prologue.
  Elementwise, ///< works on values where they are: an epilogue
  Layout,      ///< only says where values lie: split
  Gather,      ///< reads rows by id
  Store,       ///< writes state: a cache
  Parameter,   ///< concerns weights only; happens at compile time
};

/// Adds the rules of gradients of upstream's element-wise arithmetic on tensors (UpstreamGradients.cpp).
void registerGradientModels(mlir::DialectRegistry &registry);

/// Whether the shapes of two tensor types can be those of one value and their elements are the same.
bool haveCompatibleSizes(mlir::Type a, mlir::Type b);
/// Whether the shapes of two tensor types can be those of one value and their elements are floating-point
/// numbers.
bool haveCompatibleSizesAndAreFloat(mlir::Type a, mlir::Type b);

/// Checks that the result types of `op`, which implements InferTypeOpInterface, are compatible with the
/// inferred ones.
mlir::LogicalResult verifyResultTypes(mlir::Operation *op);

/// The trait of operations whose result types follow from operands and attributes. Its verifier runs after
/// the operation's own, which checks the operands, and says what was expected where the one of
/// InferTypeOpInterface only says that it was not found.
template <typename Op> struct ResultTypesFollow : mlir::OpTrait::TraitBase<Op, ResultTypesFollow> {
  static mlir::LogicalResult verifyRegionTrait(mlir::Operation *op) { return verifyResultTypes(op); }
};

/// The trait of operations whose gradients can not be built (DifferentiableOpInterface).
template <typename Op> struct RefusesGradient : mlir::OpTrait::TraitBase<Op, RefusesGradient> {};
/// An operation that is a few structured operations of linalg.
template <typename Op> struct DeclaresDecomposition : mlir::OpTrait::TraitBase<Op, DeclaresDecomposition> {};

/// Attributes of training (nn-differentiate): of parameters that it leaves as they are; of an argument that
/// is the gradient of the result of that number; of a result that is the gradient of the parameter of that
/// name.
inline constexpr llvm::StringLiteral kFrozenAttribute = "nn.frozen", kSeedAttribute = "nn.seed",
                                     kGradientAttribute = "nn.gradient";
/// Of nn.attention and its gradient: how many rows a sequence has, where rows are several sequences one
/// behind the other whose segments differ.
inline constexpr llvm::StringLiteral kSequenceRowsAttribute = "nn.sequence_rows";
/// Of optimizers: of a result that is a parameter's next value; of arguments and results that are what is
/// kept (a name, like "exp_avg") of the parameter that the second names. Gradients are arguments there.
inline constexpr llvm::StringLiteral kUpdateAttribute = "nn.update", kStateAttribute = "nn.state",
                                     kStateOfAttribute = "nn.state_of";

/// The attribute with which the arguments of a function are marked that receive parameters: what depends on
/// nothing but these is computed when the program is compiled.
inline constexpr llvm::StringLiteral kParameterArgument = "nn.parameter";

/// Whether `value` is a parameter: the result of nn.load, or a function argument marked `nn.parameter`.
bool isParameter(mlir::Value value);

/// Bytes that a tensor of `type` takes in a file. `type` has a static shape and rows of whole blocks.
int64_t getStorageBytes(mlir::RankedTensorType type);

} // namespace llmc::nn

#define GET_ATTRDEF_CLASSES
#include "dialects/nn/NNAttributes.h.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/nn/NNTypes.h.inc"

#include "dialects/nn/NNInterfaces.h.inc"

#define GET_OP_CLASSES
#include "dialects/nn/NNOps.h.inc"

#endif // LLMC_DIALECTS_NN_NN_H
