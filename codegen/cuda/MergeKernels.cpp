//===- MergeKernels.cpp - kernels that came out equal are one --------------------------------------------===//

#include "codegen/cuda/GpuKernel.h"
#include "codegen/cuda/Passes.h"
#include "passes/NumericBound.h"
#include "passes/Statistics.h"
#include <unordered_map>

using namespace mlir;

namespace llmc::codegen {

#define GEN_PASS_DEF_MERGEKERNELS
#include "codegen/cuda/Passes.h.inc"

namespace {

class MergeKernels : public impl::MergeKernelsBase<MergeKernels>, public NumericallyBounded, public Counting {
public:
  NumericBound getNumericBound() const override { return NumericBound::exact(); }

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto kernels = module.lookupSymbol<gpu::GPUModuleOp>(kKernelModule);
    if (!kernels)
      return;
    int64_t merged = 0;
    std::unordered_map<std::string, StringAttr> names; ///< by what a kernel does
    llvm::DenseMap<StringAttr, StringAttr> replacements;
    for (auto kernel : llvm::make_early_inc_range(kernels.getOps<gpu::GPUFuncOp>())) {
      StringAttr name = kernel.getNameAttr();
      auto [first, isNew] = names.try_emplace(textOf(kernel), name);
      if (isNew)
        continue;
      replacements[name] = first->second;
      kernel.erase();
      ++merged;
    }
    module.walk([&](gpu::LaunchFuncOp launch) {
      if (StringAttr name = replacements.lookup(launch.getKernelName()))
        launch.setKernelAttr(SymbolRefAttr::get(launch.getKernelModuleName(), FlatSymbolRefAttr::get(name)));
    });
    count(merged, "kernels merged");
  }

private:
  /// A kernel without its name and locations.
  static std::string textOf(gpu::GPUFuncOp kernel) {
    StringAttr name = kernel.getNameAttr();
    kernel.setName("kernel");
    std::string text;
    llvm::raw_string_ostream stream(text);
    kernel->print(stream, OpPrintingFlags().useLocalScope().assumeVerified());
    kernel.setName(name);
    return text;
  }
};

} // namespace

} // namespace llmc::codegen
