//===- Target.cpp - description of processors, from LLVM's tables ------------------------------------===//

#include "codegen/common/Target.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "codegen/common/Architecture.h"
#include "runtime/core/CpuFeatures.h"
#include "runtime/io/Message.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"
#include <algorithm>
#include <array>
#include <cassert>
#include <memory>
#include <utility>

namespace llmc::codegen {

namespace {

using Subtarget = std::unique_ptr<llvm::MCSubtargetInfo>;

/// That of this machine comes first.
llvm::ArrayRef<const Architecture *> architectures() {
  static const std::array all = [] {
    std::array both = {&x86Architecture(), &aarch64Architecture()};
    if (runtime::hostArchitecture() == both[1]->name.str())
      std::swap(both[0], both[1]);
    return both;
  }();
  return all;
}

/// Linux on `architecture`, as this machine calls it or with the GNU C library.
llvm::Triple tripleFor(const Architecture &architecture) {
  llvm::Triple host(llvm::sys::getDefaultTargetTriple());
  return host.getArchName() == architecture.name ? host
                                                 : llvm::Triple(architecture.name, "unknown", "linux", "gnu");
}

/// The instructions that a processor has and that no runtime looks for. Whoever checks an artifact must know
/// of all that its code may use.
std::vector<std::string> uncheckedFeatures(const Architecture &architecture,
                                           const llvm::MCSubtargetInfo &subtarget) {
  std::vector<std::string> unchecked;
  const std::vector<absl::string_view> checkable = runtime::checkableFeatures(architecture.name.str());
  for (const llvm::SubtargetFeatureKV &entry : subtarget.getEnabledProcessorFeatures())
    if (architecture.isInstructionSet(entry.Key) &&
        !llvm::is_contained(architecture.baseline, llvm::StringRef(entry.Key)) &&
        !llvm::is_contained(checkable, absl::string_view(entry.Key)))
      unchecked.push_back(entry.Key);
  return unchecked;
}

/// LLVM's table of the processors of one architecture.
class ProcessorTable {
public:
  explicit ProcessorTable(const Architecture &architecture)
      : architecture(architecture), triple(tripleFor(architecture)) {
    std::string error;
    codeGenerator = lookUpCodeGenerator(triple, error);
    assert(codeGenerator && "LLVM has no code generator for an architecture that there are kernels for");
    known = subtarget("", {});
  }

  Subtarget subtarget(llvm::StringRef processor, const std::vector<std::string> &features) const {
    return Subtarget(codeGenerator->createMCSubtargetInfo(triple, processor, absl::StrJoin(features, ",")));
  }

  bool has(llvm::StringRef processor) const {
    if (!known->isCPUStringValid(processor))
      return false;
    const llvm::StringRef required = architecture.requiredFeature();
    return required.empty() || subtarget(processor, {})->checkFeatures("+" + required.str());
  }

  std::vector<std::string> names() const {
    std::vector<std::string> names = architecture.otherNames();
    for (const llvm::SubtargetSubTypeKV &entry : known->getAllProcessorDescriptions())
      if (has(entry.Key))
        names.push_back(entry.Key);
    return names;
  }

  const Architecture &architecture;
  const llvm::Triple triple;

private:
  const llvm::Target *codeGenerator;
  Subtarget known;
};

} // namespace

const llvm::Target *lookUpCodeGenerator(const llvm::Triple &triple, std::string &error) {
  for (const Architecture *architecture : architectures())
    architecture->initialize();
  return llvm::TargetRegistry::lookupTarget(triple, error);
}

std::vector<std::string> knownProcessors() {
  std::vector<std::string> names;
  for (const Architecture *architecture : architectures())
    for (std::string &name : ProcessorTable(*architecture).names())
      if (!llvm::is_contained(names, name))
        names.push_back(std::move(name));
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

/// The target of `processor`, which people call `cpu`, with `adjust` as further features.
static Target makeTarget(const ProcessorTable &table, const std::string &cpu, const LlvmProcessor &processor,
                         const std::vector<std::string> &adjust = {}) {
  Target target;
  target.triple = table.triple.str();
  target.cpu = cpu;
  target.llvmCpu = processor.name;
  std::vector<std::string> features = processor.features;
  features.insert(features.end(), adjust.begin(), adjust.end());
  Subtarget complete = table.subtarget(processor.name, features);
  target.unusedFeatures = uncheckedFeatures(table.architecture, *complete);
  for (const std::string &name : target.unusedFeatures)
    features.push_back("-" + name);
  Subtarget subtarget = table.subtarget(processor.name, features);
  for (const llvm::SubtargetFeatureKV &entry : subtarget->getEnabledProcessorFeatures())
    target.features.push_back(entry.Key);
  std::sort(target.features.begin(), target.features.end());
  table.architecture.describe(target);
  return target;
}

static Target nativeTarget() {
  // A virtual machine may hide features that the processor has, and a system those of its matrix unit.
  const bool matrixTiles = runtime::requestMatrixTiles();
  std::vector<std::string> adjust;
  for (const auto &[name, present] : llvm::sys::getHostCPUFeatures())
    adjust.push_back((present && (matrixTiles || !name.starts_with("amx-")) ? "+" : "-") + name.str());
  const std::string processor = llvm::sys::getHostCPUName().str();
  return makeTarget(ProcessorTable(*architectures().front()), processor, {processor, {}}, adjust);
}

absl::StatusOr<Target> getTarget(const std::string &cpu) {
  if (cpu.empty() || cpu == "native")
    return nativeTarget();
  for (const Architecture *architecture : architectures()) {
    ProcessorTable table(*architecture);
    std::optional<LlvmProcessor> processor = architecture->parse(cpu);
    if (processor && table.has(processor->name))
      return makeTarget(table, cpu, *processor);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("--target-cpu: unknown processor ", io::quote(cpu), ", the closest names are ",
                   absl::StrJoin(closestProcessors(cpu), ", "), "; llmc compile --list-cpus prints all"));
}

} // namespace llmc::codegen
