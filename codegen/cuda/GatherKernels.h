//===- GatherKernels.h - kernels that move rows, and angles --------------------------------------------===//
#ifndef LLMC_CODEGEN_CUDA_GATHERKERNELS_H
#define LLMC_CODEGEN_CUDA_GATHERKERNELS_H

#include "codegen/cuda/GpuKernel.h"
#include "dialects/nn/NN.h"

namespace llmc::codegen {

// A block has one row.

/// y[i, :] = table[ids[i], :] from a table in fragments, or in rows of f32.
void emitGpuEmbedding(GpuKernel &kernel, mlir::Type element, int64_t width, mlir::Value table,
                      mlir::Value ids, mlir::Value destination);

/// y[i, :] = x[ids[i], :], or x[i, :] without ids: `width` elements.
void emitGpuCopyRows(GpuKernel &kernel, int64_t width, mlir::Value source, mlir::Value ids,
                     mlir::Value destination);

/// Cosines and sines of nn.rope_table, each part padded to `lanes`.
void emitGpuRopeTable(GpuKernel &kernel, nn::RopeTableOp op, int64_t lanes, mlir::Value positions,
                      mlir::Value destination);

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CUDA_GATHERKERNELS_H
