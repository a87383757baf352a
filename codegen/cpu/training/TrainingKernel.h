//===- TrainingKernel.h - kernels of training steps for processors -------------------------------------===//
//
// A kernel is a function of some buffers and the number of a chunk; chunks are independent, and which thread
// computes one does not matter to a bit of the result.
//
//===------------------------------------------------------------------------------------------------===//
#ifndef LLMC_CODEGEN_CPU_TRAINING_TRAININGKERNEL_H
#define LLMC_CODEGEN_CPU_TRAINING_TRAININGKERNEL_H

#include "codegen/common/KernelBuilder.h"
#include "codegen/training/TrainingLowering.h"

namespace llmc::codegen {

/// A kernel being made: its function, whose arguments are the buffers that it uses and, last, the chunk.
class TrainingKernel {
  mlir::OpBuilder &outer;
  mlir::OpBuilder inner;
  llvm::SmallVector<mlir::Value> operands;
  llvm::DenseMap<mlir::Value, mlir::Value> imported;

public:
  KernelBuilder b; ///< in the kernel
  mlir::func::FuncOp function;
  mlir::Value chunk; ///< its number

  /// Begins a kernel called `name`; `outer` is where it will be run.
  TrainingKernel(mlir::ModuleOp module, llvm::StringRef name, mlir::Location loc, mlir::OpBuilder &outer,
                 const Target &target)
      : outer(outer), inner(module.getContext()), b(loc, inner, target),
        function(b.beginFunction(module, name, {b.getIndexType()})), chunk(function.getArgument(0)) {}

  /// `buffer` of the step in this kernel.
  mlir::Value import(mlir::Value buffer) {
    mlir::Value &argument = imported[buffer];
    if (!argument) {
      argument = function.front().insertArgument(operands.size(), buffer.getType(), b.getLoc());
      operands.push_back(buffer);
    }
    return argument;
  }

  /// Ends the kernel, and runs its chunks 0 to chunks - 1.
  void run(int64_t chunks) {
    function.setFunctionType(b.getFunctionType(function.front().getArgumentTypes(), {}));
    mlir::Value count = mlir::arith::ConstantIndexOp::create(outer, b.getLoc(), chunks);
    auto region =
        mlir::scf::ForallOp::create(outer, b.getLoc(), mlir::getAsOpFoldResult(mlir::ValueRange{count}),
                                    mlir::ValueRange{}, std::nullopt);
    mlir::OpBuilder::InsertionGuard guard(outer);
    outer.setInsertionPointToStart(region.getBody());
    operands.push_back(region.getInductionVar(0));
    mlir::func::CallOp::create(outer, b.getLoc(), function, operands);
  }
};

/// Kernels of training steps for processors.
class CpuTrainingLowering : public TrainingLowering {
public:
  CpuTrainingLowering(mlir::ModuleOp module, llvm::StringRef step, mlir::OpBuilder &builder,
                      const Target &target)
      : TrainingLowering(module, step, builder), target(target) {}

  TrainingKernel kernel(llvm::StringRef name, mlir::Location loc) {
    return TrainingKernel(module, kernelName(name), loc, builder, target);
  }

  mlir::LogicalResult checkType(mlir::Operation *op, mlir::ShapedType type) override;
  mlir::LogicalResult lowerStructured(mlir::linalg::GenericOp op,
                                      llvm::ArrayRef<Destination> destinations) override;
  mlir::LogicalResult lowerProduct(mlir::linalg::GenericOp op, const ProductForm &form,
                                   const Destination &destination) override;
  mlir::LogicalResult lowerAttention(nn::AttentionOp op, const Destination &destination) override;
  mlir::LogicalResult lowerAttentionGradient(nn::AttentionGradientOp op,
                                             llvm::ArrayRef<Destination> destinations) override;
  void lowerGather(mlir::Location loc, mlir::Value table, mlir::Value ids,
                   const Destination &destination) override;
  void lowerScatter(mlir::Location loc, mlir::Value input, mlir::Value ids,
                    const Destination &destination) override;
  void lowerFill(mlir::Location loc, double value, const Destination &destination) override;
  void lowerCopy(mlir::Location loc, mlir::Value from, const Destination &destination) override;
  void lowerRopeTable(nn::RopeTableOp op, const Destination &destination) override;
  mlir::LogicalResult lowerRotate(nn::RotateOp op, const Destination &destination) override;

  const Target &target;
};

/// Lowers a product whose operands are rounded to bf16 to the processor's matrix unit.
void lowerTileProduct(CpuTrainingLowering &lowering, mlir::linalg::GenericOp op, const ProductForm &form,
                      const Destination &destination);

/// Chunks that a loop of `extent` iterations is cut into, of `size` iterations each but the last.
struct Chunking {
  int64_t size, count;
  /// `work` is what one iteration costs, in elements.
  static Chunking of(int64_t extent, int64_t work) {
    constexpr int64_t kChunks = 32, kLeastWork = 4096;
    int64_t size =
        std::max<int64_t>((extent + kChunks - 1) / kChunks, kLeastWork / std::max<int64_t>(work, 1));
    size = std::clamp<int64_t>(size, 1, extent);
    return {size, (extent + size - 1) / size};
  }
};

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CPU_TRAINING_TRAININGKERNEL_H
