//===- ChildRun.h - code that is not trusted, in a process of its own ----------------------------------===//
#ifndef LLMC_CODEGEN_VERIFY_CHILDRUN_H
#define LLMC_CODEGEN_VERIFY_CHILDRUN_H

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "llvm/ADT/ArrayRef.h"
#include <cstddef>
#include <string>
#include <vector>

namespace llmc::codegen {

/// What a child process tells its parent while it runs, in memory that both see.
class ChildRun {
public:
  /// What is run next, for the parent's message should it crash.
  virtual void begin(const std::string &what) = 0;
  /// Numbers for the parent. What is too many is left out.
  virtual void append(llvm::ArrayRef<float> numbers) = 0;

protected:
  ~ChildRun() = default;
};

/// Calls `body` in a copy of this process and returns the numbers that it appended, at most `most`. Fails
/// with kAborted where the copy crashes or takes longer than ten minutes, and where `body` fails. This
/// process must have one thread.
absl::StatusOr<std::vector<float>> runInChild(size_t most, absl::FunctionRef<absl::Status(ChildRun &)> body);

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_VERIFY_CHILDRUN_H
