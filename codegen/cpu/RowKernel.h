//===- RowKernel.h - kernels that work on whole rows -------------------------------------------------===//
#ifndef LLMC_CODEGEN_CPU_ROWKERNEL_H
#define LLMC_CODEGEN_CPU_ROWKERNEL_H

#include "codegen/cpu/TileEmitter.h"

namespace llmc::codegen {

/// A chain of element-wise operations, norms and conversions over rows. What is stored may be f32, bf16 pairs
/// or activation records: products read the latter two.
struct RowKernel {
  /// Threads that share a row: each takes every `threads`-th vector of it.
  struct Team {
    mlir::Value thread;
    int64_t threads;
    std::function<mlir::Value(mlir::Value)> sum; ///< of what each thread has, for all of them
  };

  mlir::Value result;           ///< in the fusion; the type of its elements says what is stored
  mlir::Value destination;      ///< `memref<rows x ...>`
  mlir::Value rowBegin, rowEnd; ///< rows to work on
  std::optional<Team> team = std::nullopt;

  /// Emits the kernel's body. `tile` knows the buffers of outside values.
  void emit(KernelBuilder &b, TileEmitter &tile);
};

/// y[i, :] = table[ids[i], :] from a packed table `memref<panels x groups x record x i8>`, for rows rowBegin
/// .. rowEnd.
void emitEmbedding(KernelBuilder &b, const PanelLayout &layout, int64_t width, mlir::Value table,
                   mlir::Value ids, mlir::Value destination, mlir::Value rowBegin, mlir::Value rowEnd);

/// y[i, :] = x[rows[i], :]
void emitSelectRows(KernelBuilder &b, mlir::Value source, mlir::Value ids, mlir::Value destination,
                    mlir::Value rowBegin, mlir::Value rowEnd);

/// y[i, :] = x[ids[i], :], or x[i, :] without ids, from rows of padded width to rows of the exact one.
void emitCopyRows(KernelBuilder &b, mlir::Value source, mlir::Value ids, mlir::Value destination,
                  mlir::Value rowBegin, mlir::Value rowEnd);

/// Cosines and sines of nn.rope_table, each part padded to whole vectors.
void emitRopeTable(KernelBuilder &b, nn::RopeTableOp op, mlir::Value positions, mlir::Value destination,
                   mlir::Value rowBegin, mlir::Value rowEnd);

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CPU_ROWKERNEL_H
