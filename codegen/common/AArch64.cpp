//===- AArch64.cpp - processors of AArch64 -----------------------------------------------------------===//

#include "codegen/common/Architecture.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/TargetParser/AArch64TargetParser.h"

namespace llmc::codegen {

namespace {

constexpr llvm::StringLiteral kBaseline[] = {"fp-armv8", "neon", "v8a"};

/// Versions of the architecture for processors that run programs, by name: armv8-a, armv8.1-a and so on.
llvm::SmallVector<const llvm::AArch64::ArchInfo *> versions() {
  llvm::SmallVector<const llvm::AArch64::ArchInfo *> all;
  for (const llvm::AArch64::ArchInfo *version : llvm::AArch64::ArchInfos)
    if (version->Profile == llvm::AArch64::AProfile)
      all.push_back(version);
  return all;
}

class AArch64 final : public Architecture {
public:
  AArch64() : Architecture("aarch64", kBaseline) {}

  void initialize() const override {
    LLVMInitializeAArch64TargetInfo();
    LLVMInitializeAArch64Target();
    LLVMInitializeAArch64TargetMC();
    LLVMInitializeAArch64AsmPrinter();
  }

  bool isInstructionSet(llvm::StringRef feature) const override {
    auto is = [&](llvm::StringRef option) { return option.drop_front(!option.empty()) == feature; };
    return llvm::any_of(llvm::AArch64::Extensions,
                        [&](const auto &extension) { return is(extension.PosTargetFeature); }) ||
           llvm::any_of(llvm::AArch64::ArchInfos,
                        [&](const auto *version) { return is(version->ArchFeature); });
  }

  std::vector<std::string> otherNames() const override {
    std::vector<std::string> names;
    for (const llvm::AArch64::ArchInfo *version : versions())
      names.push_back(version->Name.str());
    return names;
  }

  /// As clang's -mcpu and -march: cortex-a76, armv8.2-a+dotprod, neoverse-n1+nocrypto.
  std::optional<LlvmProcessor> parse(llvm::StringRef name) const override {
    llvm::SmallVector<llvm::StringRef> parts;
    name.split(parts, '+');
    LlvmProcessor processor{parts.front().str(), {}};
    llvm::AArch64::ExtensionSet extensions;
    for (const llvm::AArch64::ArchInfo *version : versions())
      if (version->Name == parts.front()) {
        extensions.addArchDefaults(*version);
        processor.name = "generic";
      }
    const bool isVersion = extensions.BaseArch != nullptr;
    if (std::optional<llvm::AArch64::CpuInfo> known = llvm::AArch64::parseCpu(processor.name);
        known && !isVersion)
      extensions.addCPUDefaults(*known);
    for (llvm::StringRef modifier : llvm::drop_begin(parts))
      if (!extensions.parseModifier(modifier))
        return std::nullopt;
    if (isVersion || parts.size() > 1)
      extensions.toLLVMFeatureList(processor.features);
    return processor;
  }

  void describe(Target &target) const override {
    target.broughtBy = {
        .byteDot = "dotprod", .pairDot = "neon", .bf16Dot = "bf16", .byteTiles = "", .bf16Tiles = ""};
    target.vectors = VectorUnit::Neon;
    target.lanes = 4;
    target.registers = 32;
    target.hasPairDot = true;
    target.hasByteDot = target.has("dotprod");
    target.byteDotIsSigned = !target.has("i8mm");
    target.hasBf16Dot = target.has("bf16");
  }
};

} // namespace

const Architecture &aarch64Architecture() {
  static const AArch64 architecture;
  return architecture;
}

} // namespace llmc::codegen
