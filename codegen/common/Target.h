//===- Target.h - what the code generator must know of a processor -----------------------------------===//
#ifndef LLMC_CODEGEN_COMMON_TARGET_H
#define LLMC_CODEGEN_COMMON_TARGET_H

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace llmc::codegen {

/// A CPU to compile for. The fields below `features` are what kernels depend on; every use of an instruction
/// is gated by one of them, because LLVM aborts on an intrinsic that the target lacks.
struct Target {
  std::string triple;
  std::string cpu;
  /// Every feature that the code may use and what suits it, in LLVM's names ("avx512vnni", "fast-gather"),
  /// sorted. Of instructions only those that the runtime can check where an artifact is loaded.
  std::vector<std::string> features;
  /// Features that the processor has and that no code may use, sorted.
  std::vector<std::string> unusedFeatures;

  /// 32-bit elements of a native vector.
  int64_t lanes = 4;
  /// Architectural vector registers.
  int64_t registers = 16;
  /// Dot product of unsigned by signed bytes into 32 bits over `lanes` (vpdpbusd).
  bool hasByteDot = false;
  /// Sums of two products, of bytes into 16 bits and of 16 bits into 32 (vpmaddubsw, vpmaddwd).
  bool hasPairDot = false;
  /// Whether products of bytes are summed in pairs of 16 bits, for want of hasByteDot.
  bool sumsPairs() const { return hasPairDot && !hasByteDot; }
  /// Dot product of bfloat16 pairs into f32 over `lanes` (vdpbf16ps).
  bool hasBf16Dot = false;
  /// Conversions between f16 and f32.
  bool hasF16Conversion = true;
  /// Products of tiles of bytes into 32 bits on a matrix unit (AMX).
  bool hasByteTiles = false;
  /// Products of tiles of bfloat16 into f32 on it.
  bool hasBf16Tiles = false;
};

/// Returns the target called `cpu` by LLVM ("znver4", "sapphirerapids", "x86-64-v3"), or this machine for
/// "native". Fails, with the names most like it, if there is none.
absl::StatusOr<Target> getTarget(const std::string &cpu);

/// The names that getTarget() knows beside "native".
std::vector<std::string> knownProcessors();

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_COMMON_TARGET_H
