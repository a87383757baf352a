//===- KernelRegions.h - kernels in the making, and the regions that run them -------------------------===//
#ifndef LLMC_CODEGEN_CPU_KERNELREGIONS_H
#define LLMC_CODEGEN_CPU_KERNELREGIONS_H

#include "codegen/cpu/FusionValues.h"
#include "codegen/cpu/KernelWork.h"

namespace llmc::codegen {

/// Whether there is a product of `weights` with inputs that were lowered to `input`.
bool hasProduct(const PanelLayout &weights, Lowered::Kind input);

/// A kernel function in the making. Memrefs of the caller become arguments on demand.
class KernelScope {
public:
  KernelScope(mlir::ModuleOp module, llvm::StringRef name, mlir::Location loc, mlir::OpBuilder builder,
              const Target &target);

  /// The kernel's argument for `operand`, a value of the caller.
  mlir::Value import(mlir::Value operand);
  /// One more argument, behind all others: the chunk.
  mlir::Value addChunk() { return function.front().addArgument(b.getIndexType(), b.getLoc()); }
  /// The arguments are complete.
  void seal() { function.setFunctionType(b.getFunctionType(function.front().getArgumentTypes(), {})); }

  KernelBuilder b;
  mlir::func::FuncOp function;
  llvm::SmallVector<mlir::Value> operands;

private:
  llvm::DenseMap<mlir::Value, mlir::Value> imported;
};

/// The values of one fusion, and the parallel regions in which its kernels run.
class KernelRegions : protected FusionValues {
public:
  using FusionValues::FusionValues;

protected:
  /// Rows that a chunk of a row kernel works on.
  static constexpr int64_t kRowsPerChunk = 8;
  /// A chunk of a product reads at least so many bytes of weights, so that claiming it costs little beside
  /// it.
  static constexpr int64_t kMinBytesPerChunk = 16 * 1024;
  /// A product has at most so many chunks, enough for any number of threads to balance.
  static constexpr int64_t kMaxChunks = 64;

  bool isDecode() const { return f.maxRows == 1; }
  mlir::Value index(int64_t value) { return mlir::arith::ConstantIndexOp::create(builder, loc, value); }
  mlir::Value ceilDiv(mlir::Value rows, int64_t n) {
    return n == 1 ? rows : mlir::Value(mlir::arith::CeilDivUIOp::create(builder, loc, rows, index(n)));
  }
  static auto importTo(KernelScope &scope) {
    return [&scope](mlir::Value operand) { return scope.import(operand); };
  }

  KernelScope makeKernel(llvm::StringRef name);
  /// What a kernel computes of `op`, for `rows` of the step.
  KernelWork workOf(mlir::Operation *op, mlir::Value rows, double share = 1);
  /// scf.forall (chunk) in (chunks) { kernel(operands, chunk) }
  void runChunks(KernelScope &scope, mlir::Value chunks, const KernelWork &work);
  /// Runs a kernel over all rows, in chunks of a few. It computes `op`, or nothing but copies.
  void runOverRows(llvm::StringRef name, mlir::Value rows, mlir::Operation *op,
                   llvm::function_ref<void(KernelScope &, mlir::Value begin, mlir::Value end)> emit);
  /// Every thread runs the kernel for itself.
  void runOnEveryThread(KernelScope &scope);
  /// Memory of each thread's own, for what runOnEveryThread() computes.
  mlir::Value allocateOnEveryThread(mlir::MemRefType type);

  /// What `rowCount` rows of `type` are stored as, in memory that `allocate` provides. `rows` are those that
  /// are valid.
  Lowered destinationFor(mlir::RankedTensorType type, int64_t rowCount, mlir::Value rows,
                         llvm::function_ref<mlir::Value(mlir::MemRefType)> allocate);
};

/// Lowers `fusion`, in which `op` is.
mlir::LogicalResult lowerExperts(FunctionLowering &lowering, nn::FusionOp fusion, nn::ExpertsOp op);

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CPU_KERNELREGIONS_H
