//===- CudaKernelLowering.h - from fusions to kernels for NVIDIA GPUs ----------------------------------===//
#ifndef LLMC_CODEGEN_CUDA_CUDAKERNELLOWERING_H
#define LLMC_CODEGEN_CUDA_CUDAKERNELLOWERING_H

#include "codegen/cpu/FunctionLowering.h"

namespace llmc::codegen {

/// Kernels for GPUs: a function of the module `@kernels` for each step of a fusion, launched from the step's
/// function. Rows of activations are f32, padded to whole panels of 16; what products read is bf16. Keys and
/// values of a head lie position by position.
class CudaKernelLowering : public KernelLowering {
public:
  /// Outputs of a panel, and what rows and heads are padded to.
  static constexpr int64_t lanes = 16;

  /// Products of steps of one row have the copy engine of sm_90a bring their weights.
  bool streamsWeights = false;

  WeightOrder weightOrder() const override { return WeightOrder::Fragments; }
  bool takesSeveralSequences() const override { return false; }
  std::pair<mlir::MemRefType, mlir::MemRefType> cacheTypes(const WidthLayout &key, const WidthLayout &value,
                                                           mlir::Type element,
                                                           int64_t positions) const override;
  mlir::LogicalResult lowerFusion(FunctionLowering &lowering, nn::FusionOp fusion) override;
  void lowerCopyToOutput(FunctionLowering &lowering, mlir::Location loc, const Lowered &source) override;
};

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CUDA_CUDAKERNELLOWERING_H
