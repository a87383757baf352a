//===- ArtifactOutput.h - writes an artifact ---------------------------------------------------------===//
#ifndef LLMC_CODEGEN_COMPILER_ARTIFACTOUTPUT_H
#define LLMC_CODEGEN_COMPILER_ARTIFACTOUTPUT_H

#include "codegen/compiler/Compiler.h"
#include "codegen/cpu/LowerToCpu.h"
#include "codegen/cuda/KernelImages.h"
#include "dialects/nn/NN.h"
#include "runtime/core/artifact.pb.h"

namespace llmc::codegen {

/// Fills in the manifest of a compiled model and streams its parameters.
class ArtifactOutput {
public:
  ArtifactOutput(frontend::ImportedModel &model, const Target &target, const StepSizes &sizes,
                 const std::string &source)
      : model(model), target(target), sizes(sizes), source(source) {}

  /// What the imported program tells and later ones do not: its parameters, and what one token at the start
  /// of a sequence costs.
  void describeImported(mlir::ModuleOp imported);

  /// Reads from a program at the level "tiled" or "llvm" what the manifest says of it.
  absl::Status plan(mlir::ModuleOp program);

  /// Which kernels for GPUs the code has, and in which forms.
  void describeKernels(mlir::ModuleOp program, const std::vector<KernelImage> &images);

  /// What the artifact will need of a processor; plan() has been called.
  const runtime::Target &requirements() const { return manifest.target(); }

  /// Writes code, the parameters that `program` places, unless they are left out, and the manifest.
  absl::Status write(mlir::ModuleOp program, const std::string &sharedObject, const std::string &path,
                     bool leaveOutWeights, const ProgressCallback &progress);

private:
  void describeModel();

  frontend::ImportedModel &model;
  const Target &target;
  const StepSizes &sizes;
  const std::string &source;
  runtime::Manifest manifest;
};

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_COMPILER_ARTIFACTOUTPUT_H
