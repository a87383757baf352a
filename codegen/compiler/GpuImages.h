//===- GpuImages.h - the kernels of a program in the forms that an artifact has --------------------------===//
#ifndef LLMC_CODEGEN_COMPILER_GPUIMAGES_H
#define LLMC_CODEGEN_COMPILER_GPUIMAGES_H

#include "codegen/cuda/KernelImages.h"
#include "runtime/core/artifact.pb.h"

namespace llmc::codegen {

/// Which forms are wanted: those of an artifact, or the last image is text or machine code for the first
/// architecture.
enum class ImageForm { All, Ptx, Cubin };

/// The kernels of `program`, after lower-kernels, for each of `archs` (by default defaultGpuArchs()): machine
/// code where ptxas is there to make it, and text for later ones.
absl::StatusOr<std::vector<KernelImage>> makeKernelImages(mlir::ModuleOp program,
                                                          std::vector<std::string> archs, ImageForm form);

/// Which kernels `program` has, and in which forms.
void describeKernels(runtime::Manifest &manifest, mlir::ModuleOp program,
                     const std::vector<KernelImage> &images);

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_COMPILER_GPUIMAGES_H
