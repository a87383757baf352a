//===- HeadNormKernel.h - kernels of norms of heads ---------------------------------------------------===//
#ifndef LLMC_CODEGEN_CPU_HEADNORMKERNEL_H
#define LLMC_CODEGEN_CPU_HEADNORMKERNEL_H

#include "codegen/cpu/ProductKernel.h"

namespace llmc::codegen {

/// An RMS norm of each head by itself, with what follows it: rotation, and an append to a cache.
struct HeadNormKernel {
  nn::RmsNormOp norm;
  WidthLayout layout; ///< of the norm's input and result
  std::vector<Store> stores;

  /// Arguments of the kernel: the norm's weight, `memref<aligned head x f32>`, and where rows lie in caches.
  mlir::Value weight;
  CacheRows cacheRows;
  mlir::Value rowBegin, rowEnd; ///< rows to work on

  /// Emits the kernel's body. `tile` knows the buffers of outside values.
  void emit(KernelBuilder &b, TileEmitter &tile);
};

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CPU_HEADNORMKERNEL_H
