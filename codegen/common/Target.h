//===- Target.h - what the code generator must know of a processor -----------------------------------===//
#ifndef LLMC_CODEGEN_COMMON_TARGET_H
#define LLMC_CODEGEN_COMMON_TARGET_H

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace llvm {
class Target;
class Triple;
} // namespace llvm

namespace llmc::codegen {

/// The vector instructions that kernels are made of, where these have no operation in LLVM.
enum class VectorUnit { Sse, Avx2, Avx512, Neon };

/// A CPU to compile for. The fields below `features` are what kernels depend on; every use of an instruction
/// is gated by one of them, because LLVM aborts on an intrinsic that the target lacks.
struct Target {
  std::string triple;
  /// As getTarget() was asked for it.
  std::string cpu;
  /// The processor of LLVM's table whose tuning suits it: of "armv8.2-a+dotprod", "generic".
  std::string llvmCpu;
  /// Every feature that the code may use and what suits it, in LLVM's names ("avx512vnni", "fast-gather"),
  /// sorted. Of instructions only those that the runtime can check where an artifact is loaded.
  std::vector<std::string> features;
  /// Features that the processor has and that no code may use, sorted.
  std::vector<std::string> unusedFeatures;

  VectorUnit vectors = VectorUnit::Sse;
  /// 32-bit elements of a native vector.
  int64_t lanes = 4;
  /// Architectural vector registers.
  int64_t registers = 16;
  /// Dot product of unsigned by signed bytes into 32 bits over `lanes` (vpdpbusd, usdot).
  bool hasByteDot = false;
  /// Its first bytes are signed as well (sdot).
  bool byteDotIsSigned = false;
  /// Sums of two products, of bytes into 16 bits and of 16 bits into 32 (vpmaddubsw, vpmaddwd; smull, addp).
  bool hasPairDot = false;
  /// Whether products of bytes are summed in pairs of 16 bits, for want of hasByteDot.
  bool sumsPairs() const { return hasPairDot && !hasByteDot; }
  /// Dot product of bfloat16 pairs into f32 over `lanes` (vdpbf16ps, bfdot).
  bool hasBf16Dot = false;
  /// Conversions between f16 and f32.
  bool hasF16Conversion = true;
  /// Products of tiles of bytes into 32 bits on a matrix unit (AMX).
  bool hasByteTiles = false;
  /// Products of tiles of bfloat16 into f32 on it.
  bool hasBf16Tiles = false;

  /// Which features of the architecture bring these, for people; "" where none does.
  struct {
    const char *byteDot = "", *pairDot = "", *bf16Dot = "", *byteTiles = "", *bf16Tiles = "";
  } broughtBy;

  /// Whether the code may use `feature`.
  bool has(const char *feature) const {
    return std::binary_search(features.begin(), features.end(), feature);
  }
};

/// Returns the target called `cpu` by LLVM ("znver4", "x86-64-v3", "cortex-a76") or, on AArch64, by a version
/// of the architecture; extensions may follow a name there ("armv8.2-a+dotprod"). "native" is this machine,
/// and names that several architectures have ("generic") are of this machine's. Fails, with the names most
/// like it, if there is none.
absl::StatusOr<Target> getTarget(const std::string &cpu);

/// LLVM's code generator for `triple`; null, with the reason, if there is none.
const llvm::Target *lookUpCodeGenerator(const llvm::Triple &triple, std::string &error);

/// The names that getTarget() knows beside "native".
std::vector<std::string> knownProcessors();

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_COMMON_TARGET_H
