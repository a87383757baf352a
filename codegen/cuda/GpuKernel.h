//===- GpuKernel.h - a kernel for GPUs in the making ---------------------------------------------------===//
#ifndef LLMC_CODEGEN_CUDA_GPUKERNEL_H
#define LLMC_CODEGEN_CUDA_GPUKERNEL_H

#include "codegen/common/KernelBuilder.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "llvm/ADT/DenseMap.h"

namespace llmc::codegen {

/// f32 elements that a thread loads at once.
inline constexpr int64_t kGpuVector = 4;

/// What the emitters that CPUs and GPUs share see of a GPU: each thread works on `elements` at a time.
const Target &gpuThread(int64_t elements = 1);

/// On a kernel: the only architecture that it is for, or the one that it is not for.
inline constexpr llvm::StringLiteral kOnlyAttribute = "llmc.only", kExceptAttribute = "llmc.except";
/// On a kernel: for each argument that it takes as a tensor map its number and the rows of a box. Launches
/// give it the matrix.
inline constexpr llvm::StringLiteral kTensorMapsAttribute = "llmc.tensor_maps";
/// On a kernel whose blocks in the first dimension share the work, however many a device has.
inline constexpr llvm::StringLiteral kPersistentAttribute = "llmc.persistent";
/// The size of a tensor map, in words of 64 bits.
inline constexpr int64_t kTensorMapWords = 16;

/// A function of the module `@kernels` that all threads of a grid run. Memrefs and numbers of the host become
/// arguments on demand.
class GpuKernel {
public:
  static constexpr int64_t warp = 32;

  /// A kernel of blocks of `threads` threads, each of which works on `elements` at a time. `module` is the
  /// program, `builder` where the host launches.
  GpuKernel(mlir::ModuleOp module, llvm::StringRef name, mlir::Location loc, mlir::OpBuilder &builder,
            int64_t threads, int64_t elements = 1);

  KernelBuilder b;
  const int64_t threads;

  /// The kernel's argument for `operand`, a value of the host.
  mlir::Value import(mlir::Value operand);
  /// Launches the kernel, whose arguments are complete, on a grid of blocks.
  void launch(mlir::OpBuilder &host, mlir::Value blocksX, mlir::Value blocksY);

  mlir::Value thread() {
    return mlir::gpu::ThreadIdOp::create(b, mlir::gpu::Dimension::x, b.getIndexAttr(threads));
  }
  mlir::Value block(mlir::gpu::Dimension dimension = mlir::gpu::Dimension::x) {
    return mlir::gpu::BlockIdOp::create(b, dimension, mlir::IntegerAttr());
  }
  /// Blocks of the grid, `most` at most.
  mlir::Value blocks(int64_t most) {
    return mlir::gpu::GridDimOp::create(b, mlir::gpu::Dimension::x, b.getIndexAttr(most + 1));
  }
  void barrier() { mlir::gpu::BarrierOp::create(b); }
  /// Waits for all lanes of the warp.
  void syncWarp();
  /// Lets the next kernel be launched where there is room, which waits before it reads what others write.
  /// Only parameters may be read before. Kernels that do neither do both where they begin (programmatic
  /// dependent launch; from sm_90 on).
  void launchDependents();
  void waitForEarlierLaunches();
  /// Makes it a kernel of the image for `arch` alone, or of all others. Where an image has not a kernel, its
  /// launches do nothing.
  void keepOnlyFor(llvm::StringRef arch) { function->setAttr(kOnlyAttribute, b.getStringAttr(arch)); }
  void leaveOutFor(llvm::StringRef arch) { function->setAttr(kExceptAttribute, b.getStringAttr(arch)); }
  /// Has blocks of the first dimension share the work: no more are launched than there are multiprocessors.
  void setPersistent() { function->setAttr(kPersistentAttribute, b.getUnitAttr()); }
  /// for (i = the block's number; i < count; i += blocks) body(i), in a persistent kernel, with values that
  /// are carried from one iteration to the next.
  void forEachWork(int64_t count, mlir::ValueRange start,
                   llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::Value, mlir::ValueRange)> body);
  /// Shared memory of a block, `bytes` of it from a multiple of 16 on that no other call has got.
  mlir::Value shared(mlir::MemRefType contents);
  /// The address of a tensor map (PTX ISA, "Tensor maps") of `matrix`, a matrix of the host, whose boxes are
  /// `boxRows` rows of 128 bytes, which the copy engine swizzles as SharedMatrix lies.
  mlir::Value importTensorMap(mlir::Value matrix, int64_t boxRows);

  /// The values of all lanes of a warp, combined; every lane gets the result.
  mlir::Value reduceWarp(mlir::Value value, llvm::function_ref<mlir::Value(mlir::Value, mlir::Value)> combine,
                         int64_t lanes = warp);
  /// The same over a block, by way of shared memory of its own.
  mlir::Value reduceBlock(mlir::Value value,
                          llvm::function_ref<mlir::Value(mlir::Value, mlir::Value)> combine);
  mlir::Value sumBlock(mlir::Value value) {
    return reduceBlock(value, [&](mlir::Value x, mlir::Value y) { return b.addf(x, y); });
  }

private:
  mlir::gpu::GPUFuncOp function;
  llvm::DenseMap<mlir::Value, mlir::Value> imported;
  llvm::SmallVector<mlir::Value> operands;
  llvm::SmallVector<mlir::Attribute> tensorMaps;
  int64_t sharedBytes = 0;
};

/// `memref<shape x element>` in the shared memory of a block.
inline mlir::MemRefType sharedType(llvm::ArrayRef<int64_t> shape, mlir::Type element) {
  auto space = mlir::gpu::AddressSpaceAttr::get(element.getContext(), mlir::gpu::AddressSpace::Workgroup);
  return mlir::MemRefType::get(shape, element, mlir::MemRefLayoutAttrInterface(), space);
}

/// The name of the module of kernels.
inline constexpr llvm::StringLiteral kKernelModule = "kernels";

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CUDA_GPUKERNEL_H
