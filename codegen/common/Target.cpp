//===- Target.cpp - description of processors, from LLVM's tables ------------------------------------===//

#include "codegen/common/Target.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"
#include <algorithm>
#include <memory>

namespace llmc::codegen {

absl::StatusOr<Target> getTarget(const std::string &cpu) {
  llvm::InitializeNativeTarget();
  Target target;
  target.triple = llvm::sys::getDefaultTargetTriple();
  target.cpu = cpu.empty() || cpu == "native" ? llvm::sys::getHostCPUName().str() : cpu;
  llvm::Triple triple(target.triple);
  std::string error;
  const llvm::Target *llvmTarget = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!llvmTarget)
    return absl::InternalError(error);

  std::unique_ptr<llvm::MCSubtargetInfo> known(llvmTarget->createMCSubtargetInfo(triple, "", ""));
  if (!known->isCPUStringValid(target.cpu)) {
    std::vector<std::string> names;
    for (const llvm::SubtargetSubTypeKV &entry : known->getAllProcessorDescriptions())
      names.push_back(entry.Key);
    return absl::InvalidArgumentError(
        absl::StrCat("--target-cpu: unknown processor '", target.cpu,
                     "', expected native or one of: ", absl::StrJoin(names, " ")));
  }

  // A virtual machine may hide features that the processor has.
  std::string adjust;
  if (cpu.empty() || cpu == "native")
    for (const auto &[name, present] : llvm::sys::getHostCPUFeatures())
      absl::StrAppend(&adjust, adjust.empty() ? "" : ",", present ? "+" : "-", name.str());
  std::unique_ptr<llvm::MCSubtargetInfo> subtarget(
      llvmTarget->createMCSubtargetInfo(triple, target.cpu, adjust));
  for (const llvm::SubtargetFeatureKV &entry : subtarget->getEnabledProcessorFeatures())
    target.features.push_back(entry.Key);
  std::sort(target.features.begin(), target.features.end());
  auto has = [&](const char *feature) {
    return std::binary_search(target.features.begin(), target.features.end(), feature);
  };
  target.hasF16Conversion = !triple.isX86() || has("f16c");
  if (has("avx512f")) {
    target.lanes = 16;
    target.registers = 32;
    target.hasByteDot = has("avx512vnni");
    target.hasBf16Dot = has("avx512bf16");
  } else if (has("avx2")) {
    target.lanes = 8;
    target.hasByteDot = has("avxvnni");
  }
  return target;
}

} // namespace llmc::codegen
