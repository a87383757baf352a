//===- VerifyCompiled.h - holds compiled code against the reference semantics --------------------------===//
//
// The end of the differential checker: below nn no pass can be interpreted, so what all of them, the code
// generator and the linker have made is run, and compared with the interpreter's results for the program that
// they started from.
//
//===------------------------------------------------------------------------------------------------===//
#ifndef LLMC_CODEGEN_VERIFY_VERIFYCOMPILED_H
#define LLMC_CODEGEN_VERIFY_VERIFYCOMPILED_H

#include "absl/status/status.h"
#include "codegen/cpu/LowerToCpu.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassInstrumentation.h"
#include <map>
#include <string>

namespace llmc::codegen {

/// What the passes below nn declare: one after the other they may move results by the sum of it.
class LoweringBounds {
public:
  /// Counts the bound of `pass`, once. False if it declares none, or one that is not relative to the results.
  bool add(const mlir::Pass &pass);
  /// Counts each pass of a manager when it runs; one that add() does not take is refused by name.
  std::unique_ptr<mlir::PassInstrumentation> instrument();

  /// The sum, relative to the largest magnitude.
  double limit() const;
  /// "lower-to-cpu and approximate-math": those that may move results.
  std::string describe() const;

private:
  std::map<std::string, double> limits; ///< by the argument of the pass, those above zero
};

/// Runs the steps of `sharedObject`, compiled from `lowered` (at the level "tiled" or "llvm"), on made-up
/// weights and tokens, in a process of their own, and compares their outputs with what the reference
/// semantics give for `fused`, the program on nn. Fails with kAborted and a small counterexample if one lies
/// further off than `bounds`, and than errors of that kind grow to in the program, allow; with kUnavailable
/// if the program cannot be run so.
absl::Status verifyCompiled(mlir::ModuleOp fused, mlir::ModuleOp lowered, const std::string &sharedObject,
                            const StepSizes &sizes, const LoweringBounds &bounds);

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_VERIFY_VERIFYCOMPILED_H
