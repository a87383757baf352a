//===- Target.cpp - description of processors, from LLVM's tables ------------------------------------===//

#include "codegen/common/Target.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "runtime/core/CpuFeatures.h"
#include "runtime/io/Message.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"
#include "llvm/TargetParser/X86TargetParser.h"
#include <algorithm>
#include <memory>
#include <utility>

namespace llmc::codegen {

namespace {

using Subtarget = std::unique_ptr<llvm::MCSubtargetInfo>;

/// Features that every processor of an architecture has.
constexpr llvm::StringLiteral kX86Baseline[] = {"64bit", "cmov", "cx8", "fxsr", "mmx", "sse", "sse2", "x87"};

/// Whether LLVM's feature `name` is about instructions and not about which of them are fast.
bool isInstructionSet(llvm::StringRef name) {
  static const llvm::StringSet<> names = [] {
    llvm::StringSet<> all;
    llvm::SmallVector<llvm::StringRef> processors, features;
    llvm::X86::fillValidCPUArchList(processors);
    for (llvm::StringRef processor : processors)
      llvm::X86::getFeaturesForCPU(processor, features);
    for (llvm::StringRef feature : features)
      all.insert(feature);
    return all;
  }();
  return names.contains(name);
}

/// The instructions that a processor has and that no runtime looks for. Whoever checks an artifact must know
/// of all that its code may use.
std::vector<std::string> uncheckedFeatures(const llvm::Triple &triple,
                                           const llvm::MCSubtargetInfo &subtarget) {
  std::vector<std::string> unchecked;
  if (!triple.isX86())
    return unchecked;
  const std::vector<absl::string_view> checkable = runtime::checkableFeatures("x86_64");
  for (const llvm::SubtargetFeatureKV &entry : subtarget.getEnabledProcessorFeatures())
    if (isInstructionSet(entry.Key) && !llvm::is_contained(kX86Baseline, llvm::StringRef(entry.Key)) &&
        !llvm::is_contained(checkable, absl::string_view(entry.Key)))
      unchecked.push_back(entry.Key);
  return unchecked;
}

const llvm::Target *hostTarget(const llvm::Triple &triple, std::string &error) {
  llvm::InitializeNativeTarget();
  return llvm::TargetRegistry::lookupTarget(triple, error);
}

/// Whether `processor` can run code for `triple`: LLVM aborts on processors without a 64-bit mode.
bool suits(const llvm::Target &target, const llvm::Triple &triple, llvm::StringRef processor) {
  if (triple.getArch() != llvm::Triple::x86_64)
    return true;
  Subtarget subtarget(target.createMCSubtargetInfo(triple, processor, ""));
  return subtarget->checkFeatures("+64bit");
}

} // namespace

std::vector<std::string> knownProcessors() {
  llvm::Triple triple(llvm::sys::getDefaultTargetTriple());
  std::string error;
  std::vector<std::string> names;
  const llvm::Target *target = hostTarget(triple, error);
  if (!target)
    return names;
  Subtarget known(target->createMCSubtargetInfo(triple, "", ""));
  for (const llvm::SubtargetSubTypeKV &entry : known->getAllProcessorDescriptions())
    if (suits(*target, triple, entry.Key))
      names.push_back(entry.Key);
  return names;
}

/// The known processors whose names are most like `name`.
static std::vector<std::string> closestProcessors(llvm::StringRef name) {
  constexpr size_t kShown = 3;
  std::vector<std::string> names = knownProcessors();
  std::sort(names.begin(), names.end(), [&](const std::string &a, const std::string &b) {
    return std::pair(name.edit_distance(a), a) < std::pair(name.edit_distance(b), b);
  });
  names.resize(std::min(names.size(), kShown));
  return names;
}

absl::StatusOr<Target> getTarget(const std::string &cpu) {
  const bool native = cpu.empty() || cpu == "native";
  Target target;
  target.triple = llvm::sys::getDefaultTargetTriple();
  target.cpu = native ? llvm::sys::getHostCPUName().str() : cpu;
  llvm::Triple triple(target.triple);
  std::string error;
  const llvm::Target *llvmTarget = hostTarget(triple, error);
  if (!llvmTarget)
    return absl::InternalError(error);

  Subtarget known(llvmTarget->createMCSubtargetInfo(triple, "", ""));
  if (!known->isCPUStringValid(target.cpu) || !suits(*llvmTarget, triple, target.cpu))
    return absl::InvalidArgumentError(absl::StrCat(
        "--target-cpu: unknown processor ", io::quote(target.cpu), ", the closest names are ",
        absl::StrJoin(closestProcessors(target.cpu), ", "), "; llmc compile --list-cpus prints all"));

  // A virtual machine may hide features that the processor has, and a system those of its matrix unit.
  std::vector<std::string> adjust;
  const bool matrixTiles = native && runtime::requestMatrixTiles();
  if (native)
    for (const auto &[name, present] : llvm::sys::getHostCPUFeatures())
      adjust.push_back((present && (matrixTiles || !name.starts_with("amx-")) ? "+" : "-") + name.str());
  Subtarget complete(llvmTarget->createMCSubtargetInfo(triple, target.cpu, absl::StrJoin(adjust, ",")));
  target.unusedFeatures = uncheckedFeatures(triple, *complete);
  for (const std::string &name : target.unusedFeatures)
    adjust.push_back("-" + name);
  Subtarget subtarget(llvmTarget->createMCSubtargetInfo(triple, target.cpu, absl::StrJoin(adjust, ",")));
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
    target.hasPairDot = has("avx512bw");
    target.hasBf16Dot = has("avx512bf16");
    target.hasByteTiles = has("amx-int8");
    target.hasBf16Tiles = has("amx-bf16");
  } else if (has("avx2")) {
    target.lanes = 8;
    target.hasByteDot = has("avxvnni");
    target.hasPairDot = true;
  }
  return target;
}

} // namespace llmc::codegen
