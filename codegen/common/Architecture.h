//===- Architecture.h - what the processors of one architecture have in common -----------------------===//
#ifndef LLMC_CODEGEN_COMMON_ARCHITECTURE_H
#define LLMC_CODEGEN_COMMON_ARCHITECTURE_H

#include "codegen/common/Target.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <optional>

namespace llmc::codegen {

/// A processor as LLVM knows it.
struct LlvmProcessor {
  std::string name;                  ///< of LLVM's table
  std::vector<std::string> features; ///< beside those of the table: "+dotprod", "-bf16"
};

/// An architecture that there are kernels for: where the instructions of its processors are known.
class Architecture {
public:
  /// The first part of its triples, and the name that runtimes have for it.
  const llvm::StringRef name;
  /// Features that every processor has, which no runtime has to look for.
  const llvm::ArrayRef<llvm::StringLiteral> baseline;

  /// Makes LLVM's code generator known to its registry.
  virtual void initialize() const = 0;
  /// Whether LLVM's feature `feature` is about instructions and not about which of them are fast.
  virtual bool isInstructionSet(llvm::StringRef feature) const = 0;
  /// The names that parse() knows beside those of LLVM's table of processors.
  virtual std::vector<std::string> otherNames() const { return {}; }
  /// The processor that people call `name`; none if they do not. Whether LLVM has it is not checked.
  virtual std::optional<LlvmProcessor> parse(llvm::StringRef name) const {
    return LlvmProcessor{name.str(), {}};
  }
  /// Whether LLVM aborts on processors of its table without this feature, which run other programs.
  virtual llvm::StringRef requiredFeature() const { return ""; }
  /// Sets what kernels depend on, from the features.
  virtual void describe(Target &target) const = 0;

protected:
  Architecture(llvm::StringRef name, llvm::ArrayRef<llvm::StringLiteral> baseline)
      : name(name), baseline(baseline) {}
  ~Architecture() = default;
};

const Architecture &x86Architecture();
const Architecture &aarch64Architecture();

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_COMMON_ARCHITECTURE_H
