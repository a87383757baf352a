//===- TrainingLowering.h - from functions on tensors to training steps --------------------------------===//
//
// A training step is a sequence of kernels over buffers of known shapes. How a kernel comes about is the
// target's business: it is a TrainingLowering.
//
//===------------------------------------------------------------------------------------------------===//
#ifndef LLMC_CODEGEN_TRAINING_TRAININGLOWERING_H
#define LLMC_CODEGEN_TRAINING_TRAININGLOWERING_H

#include "codegen/training/ProductForm.h"
#include "dialects/nn/NN.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "llvm/ADT/DenseMap.h"
#include <memory>

namespace llmc::codegen {

/// What becomes of what was in a buffer.
enum class Update {
  Overwrite,
  Accumulate ///< results are added to it
};

/// A buffer that a result goes to.
struct Destination {
  mlir::Value buffer;
  Update update = Update::Overwrite;
};

/// Lowers the operations of a step one by one to kernels on buffers. Operands are in `buffers`; results go to
/// destinations, one for each.
class TrainingLowering {
public:
  /// `step` is what names of kernels end with.
  TrainingLowering(mlir::ModuleOp module, llvm::StringRef step, mlir::OpBuilder &builder)
      : module(module), builder(builder), step(step) {}
  virtual ~TrainingLowering() = default;

  /// Refuses, at `op`, what has `type`, if the target has no kernels for it.
  virtual mlir::LogicalResult checkType(mlir::Operation *op, mlir::ShapedType type) = 0;
  /// Memory of the arena.
  virtual mlir::Value allocate(mlir::Location loc, llvm::ArrayRef<int64_t> shape, mlir::Type element);

  virtual mlir::LogicalResult lowerStructured(mlir::linalg::GenericOp op,
                                              llvm::ArrayRef<Destination> destinations) = 0;
  virtual mlir::LogicalResult lowerProduct(mlir::linalg::GenericOp op, const ProductForm &form,
                                           const Destination &destination) = 0;
  virtual mlir::LogicalResult lowerAttention(nn::AttentionOp op, const Destination &destination) = 0;
  virtual mlir::LogicalResult lowerAttentionGradient(nn::AttentionGradientOp op,
                                                     llvm::ArrayRef<Destination> destinations) = 0;
  /// destination[i, :] = table[ids[i], :]
  virtual void lowerGather(mlir::Location loc, mlir::Value table, mlir::Value ids,
                           const Destination &destination) = 0;
  /// destination[ids[i], :] += input[i, :], in the order of i.
  virtual void lowerScatter(mlir::Location loc, mlir::Value input, mlir::Value ids,
                            const Destination &destination) = 0;
  virtual void lowerFill(mlir::Location loc, double value, const Destination &destination) = 0;
  virtual void lowerCopy(mlir::Location loc, mlir::Value from, const Destination &destination) = 0;
  virtual void lowerRopeTable(nn::RopeTableOp op, const Destination &destination) = 0;
  virtual mlir::LogicalResult lowerRotate(nn::RotateOp op, const Destination &destination) = 0;

  /// The buffers of values.
  llvm::DenseMap<mlir::Value, mlir::Value> buffers;

  mlir::ModuleOp module;
  mlir::OpBuilder &builder;

protected:
  /// A name for a kernel that no other one has.
  std::string kernelName(llvm::StringRef name) {
    return (name + "_" + step + "_" + llvm::Twine(kernels++)).str();
  }

private:
  const std::string step;
  int64_t kernels = 0;
};

using MakeTrainingLowering = llvm::function_ref<std::unique_ptr<TrainingLowering>(
    mlir::ModuleOp module, llvm::StringRef step, mlir::OpBuilder &builder)>;

/// Turns each public function of `module` into the step of its name (lower-training-to-cpu describes steps).
mlir::LogicalResult lowerTrainingSteps(mlir::ModuleOp module, MakeTrainingLowering makeLowering);

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_TRAINING_TRAININGLOWERING_H
