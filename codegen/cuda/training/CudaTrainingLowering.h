//===- CudaTrainingLowering.h - kernels of training steps for GPUs --------------------------------------===//
#ifndef LLMC_CODEGEN_CUDA_TRAINING_CUDATRAININGLOWERING_H
#define LLMC_CODEGEN_CUDA_TRAINING_CUDATRAININGLOWERING_H

#include "codegen/cuda/GpuKernel.h"
#include "codegen/training/AttentionForm.h"
#include "codegen/training/TrainingLowering.h"

namespace llmc::codegen {

/// Kernels of training steps for GPUs, launched one after the other. Each sum has one order, so that runs are
/// equal to the bit. Rows of buffers whose width is no multiple of 16 bytes are padded to one.
class CudaTrainingLowering : public TrainingLowering {
public:
  /// `attentionType` is what operands of attention's products are rounded to: bf16, or f32 for not at all.
  CudaTrainingLowering(mlir::ModuleOp module, llvm::StringRef step, mlir::OpBuilder &builder,
                       mlir::Type attentionType, int64_t tileColumns, int64_t tileParts)
      : TrainingLowering(module, step, builder), tileColumns(tileColumns), tileParts(tileParts),
        attentionType(attentionType) {}

  /// Of products by warpgroups, if not 0: columns of a tile, and blocks at most that share its inputs.
  const int64_t tileColumns, tileParts;

  /// A kernel whose threads work on `elements` elements at a time.
  GpuKernel kernel(llvm::StringRef name, mlir::Location loc, int64_t threads, int64_t elements = 1);
  mlir::Value index(mlir::Location loc, int64_t value) {
    return mlir::arith::ConstantIndexOp::create(builder, loc, value);
  }
  void launch(GpuKernel &kernel, mlir::Location loc, int64_t blocksX, int64_t blocksY = 1) {
    kernel.launch(builder, index(loc, blocksX), index(loc, blocksY));
  }

  /// Makes kernels and launches them with `lower`. If `hasWarpgroups` it is asked for a second form too, by
  /// the matrix instructions of warpgroups: images for architectures that have these have this form, all
  /// others the first.
  void inForms(bool hasWarpgroups, llvm::function_ref<void(bool warpgroups)> lower);
  /// The same for one kernel, whose forms are launched alike.
  void launchForms(llvm::StringRef name, mlir::Location loc, int64_t threads, bool hasWarpgroups,
                   llvm::function_ref<void(GpuKernel &, bool warpgroups)> emit, int64_t blocksX,
                   int64_t blocksY);

  mlir::LogicalResult checkType(mlir::Operation *op, mlir::ShapedType type) override;
  mlir::Value allocate(mlir::Location loc, llvm::ArrayRef<int64_t> shape, mlir::Type element) override;
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

  /// A kernel with a thread for each element of `buffer`. `body` gets its indices.
  void forEach(llvm::StringRef name, mlir::Location loc, mlir::Value buffer,
               llvm::function_ref<void(GpuKernel &, llvm::ArrayRef<mlir::Value>)> body);

private:
  /// `value`, a matrix, as products read it: in rows from multiples of 16 bytes on, of numbers of `element`.
  /// What parameters become is kept for the step.
  mlir::Value productOperand(mlir::Location loc, mlir::Value value, mlir::Type element);

  mlir::Value linkEqualRows(mlir::Location loc, mlir::Value ids);

  const mlir::Type attentionType;
  std::optional<bool> form; ///< whether kernels are for architectures that have warpgroups, if that matters
  llvm::DenseMap<std::pair<mlir::Value, mlir::Type>, mlir::Value> productOperands;
  llvm::DenseMap<mlir::Operation *, mlir::Value> normalizers; ///< of attention whose gradient is wanted
};

/// Bytes from multiples of which on rows of buffers lie.
inline constexpr int64_t kRowAlignment = 16;
/// Whether elements of each row of `type` can be read `elements` at a time.
bool hasAlignedRows(mlir::MemRefType type, int64_t elements);

/// Emits the launches of a product (MatrixProduct.cpp): operands are buffers as productOperand() makes them.
void lowerMatrixProduct(CudaTrainingLowering &lowering, mlir::Location loc, const ProductForm &form,
                        mlir::Value left, mlir::Value right, const Destination &destination);

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CUDA_TRAINING_CUDATRAININGLOWERING_H
