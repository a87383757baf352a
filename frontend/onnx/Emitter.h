//===- Emitter.h - rows of an ONNX graph as nn -------------------------------------------------------===//
#ifndef LLMC_FRONTEND_ONNX_EMITTER_H
#define LLMC_FRONTEND_ONNX_EMITTER_H

#include "absl/status/statusor.h"
#include "dialects/nn/NN.h"
#include "frontend/onnx/Expression.h"
#include "frontend/onnx/TensorPool.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

namespace llmc::onnx {

/// A parameter of the program and the tensor that it holds.
struct Parameter {
  std::string name;
  const Tensor *tensor;
  bool isTransposed; ///< the tensor is [in, out], the parameter [out, in]
};

/// The name of an input of @forward.
const char *nameOf(Input input);

/// The program of one output.
struct EmittedProgram {
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::vector<Parameter> parameters;
  int64_t layers = 0; ///< attention operations
  int64_t hiddenSize = 0;
  bool isCausal = false; ///< the attention
};

/// Builds @forward, whose result are the rows of an expression. Only what that needs is built, and only there
/// it is found out whether nn has it.
class Emitter {
public:
  Emitter(TensorPool &tensors, mlir::MLIRContext *context);

  /// Fails with one line that names the node which nn has no operation for. With `selectsRows` the result
  /// has the rows `output_ids` only.
  absl::StatusOr<EmittedProgram> emit(const Expression &result, bool selectsRows);

private:
  // Each returns null after the first error.
  mlir::Value rowsOf(const Expression &expression);
  mlir::Value build(const Expression &expression);
  mlir::Value buildSum(const Expression &expression);
  mlir::Value buildArithmetic(const Expression &expression);
  mlir::Value buildUnary(const Expression &expression);
  mlir::Value embedding(const Expression &expression, const Tensor *table);
  mlir::Value linear(const Expression &product, const Expression *bias);
  mlir::Value attention(const Expression &expression);
  mlir::Value rope(const Expression &expression);
  mlir::Value slice(const Expression &expression);
  mlir::Value norm(const Expression &place, Expression::Op op, const Expression &x, const Expression *weight,
                   const Expression *bias, double epsilon);
  mlir::Value activation(const Expression &place, Expression::Op op, const Expression &x);
  mlir::Value parameter(const Tensor &tensor, bool isTransposed, mlir::Location location);
  /// The parameter of a vector, in f32; one of ones if there is none.
  mlir::Value vector(const Expression *expression, const Expression &place, double missing);
  mlir::Value fail(absl::Status status);
  mlir::Value refuse(const Expression &expression, const std::string &what);
  mlir::Location locationOf(const Expression &expression);

  TensorPool &tensors;
  mlir::MLIRContext *context;
  mlir::OpBuilder builder;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  mlir::func::FuncOp forward;
  absl::Status status;
  llvm::DenseMap<const Expression *, mlir::Value> built;
  std::map<std::pair<const Tensor *, bool>, mlir::Value> loaded;
  /// Queries, keys and values may be parts of one product, which is split once.
  std::map<const Expression *, std::vector<const Expression *>> slices;
  llvm::StringMap<mlir::Value> inputs;
  /// Tables of embeddings, which may be the last product's weight too.
  llvm::SmallSetVector<const Tensor *, 4> tables;
  std::vector<Parameter> parameters;
  llvm::StringSet<> names; ///< of parameters
  int64_t layers = 0, hiddenSize = 0;
  bool isCausal = false;
  int depth = 0; ///< of rowsOf()
};

} // namespace llmc::onnx

#endif // LLMC_FRONTEND_ONNX_EMITTER_H
