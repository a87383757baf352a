//===- X86.cpp - processors of x86-64 ----------------------------------------------------------------===//

#include "codegen/common/Architecture.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/TargetParser/X86TargetParser.h"

namespace llmc::codegen {

namespace {

constexpr llvm::StringLiteral kBaseline[] = {"64bit", "cmov", "cx8", "fxsr", "mmx", "sse", "sse2", "x87"};

class X86 final : public Architecture {
public:
  X86() : Architecture("x86_64", kBaseline) {}

  void initialize() const override {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
  }

  bool isInstructionSet(llvm::StringRef feature) const override {
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
    return names.contains(feature);
  }

  llvm::StringRef requiredFeature() const override { return "64bit"; }

  void describe(Target &target) const override {
    target.broughtBy = {.byteDot = "avx512vnni, avxvnni",
                        .pairDot = "avx2, avx512bw",
                        .bf16Dot = "avx512bf16",
                        .byteTiles = "amx-int8",
                        .bf16Tiles = "amx-bf16"};
    target.hasF16Conversion = target.has("f16c");
    if (target.has("avx512f")) {
      target.vectors = VectorUnit::Avx512;
      target.lanes = 16;
      target.registers = 32;
      target.hasByteDot = target.has("avx512vnni");
      target.hasPairDot = target.has("avx512bw");
      target.hasBf16Dot = target.has("avx512bf16");
      target.hasByteTiles = target.has("amx-int8");
      target.hasBf16Tiles = target.has("amx-bf16");
    } else if (target.has("avx2")) {
      target.vectors = VectorUnit::Avx2;
      target.lanes = 8;
      target.hasByteDot = target.has("avxvnni");
      target.hasPairDot = true;
    }
  }
};

} // namespace

const Architecture &x86Architecture() {
  static const X86 architecture;
  return architecture;
}

} // namespace llmc::codegen
