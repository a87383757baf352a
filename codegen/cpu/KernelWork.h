//===- KernelWork.h - what a kernel computes, and how ---------------------------------------------------===//
//
// Kernels say what they compute and how, steps list it for their parallel regions in order, and artifacts
// keep it (Work of runtime/core/artifact.proto) for `llmc explain` and the rooflines of `llmc bench
// --profile`.
//
//===------------------------------------------------------------------------------------------------===//
#ifndef LLMC_CODEGEN_CPU_KERNELWORK_H
#define LLMC_CODEGEN_CPU_KERNELWORK_H

#include "codegen/common/PanelLayout.h"
#include "codegen/common/Target.h"
#include "dialects/nn/NN.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace llmc::codegen {

/// On a kernel: its KernelWork, a dictionary. On a step: those of its regions, in order; an empty dictionary
/// where a kernel says nothing.
inline constexpr llvm::StringLiteral kWorkAttribute = "llmc.work";
inline constexpr llvm::StringLiteral kRegionsAttribute = "llmc.regions";

/// What a kernel computes, and how: see Work of runtime/core/artifact.proto.
struct KernelWork {
  std::string operation;
  std::string kernel, unit, note;
  bool ofOutputs = false;
  bool isCausal = false;
  int64_t window = 0;
  double flops = 0, positionFlops = 0;
  double parameterBytes = 0, rowParameterBytes = 0, positionBytes = 0;
  int64_t passes = 1;

  /// The operations of `op`, a fusion or another one that has a cost, of whose arithmetic and parameters this
  /// kernel has the part `share`.
  static KernelWork of(mlir::Operation *op, double share = 1);
  /// Sets how products of `input`, rows as they are multiplied, and `weights` are computed on `target`, in
  /// tiles of rows by panels or, with `matrixTiles`, of the matrix unit, and why not better.
  void setProduct(mlir::Value input, const PanelLayout &weights, const Target &target, bool matrixTiles,
                  int64_t rowsPerTile, int64_t panelsPerTile);

  mlir::DictionaryAttr toAttribute(mlir::MLIRContext *context) const;
  /// Of what toAttribute() made; none of anything else.
  static std::optional<KernelWork> fromAttribute(mlir::Attribute attribute);
};

/// Lists the works of the regions of `step` and what it calls, before they are lowered. `parallel` are the
/// functions that enter regions. Steps in which a region is in a loop, a condition or a recursion get no
/// list: their order is not known.
void listRegions(mlir::func::FuncOp step, const llvm::SmallPtrSetImpl<mlir::Operation *> &parallel);

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CPU_KERNELWORK_H
