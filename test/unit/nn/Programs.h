//===- Programs.h - small programs, their inputs and their results -----------------------------------===//
#ifndef LLMC_TEST_UNIT_NN_PROGRAMS_H
#define LLMC_TEST_UNIT_NN_PROGRAMS_H

#include "dialects/nn/reference/Interpreter.h"
#include <gtest/gtest.h>
#include <random>

namespace llmc::nn {

using Value64 = reference::RuntimeValue<double>;
using Tensor64 = reference::Tensor<double>;

/// A context with nn and the operations of upstream that have reference semantics.
class Programs : public testing::Test {
protected:
  Programs();

  /// The module that `text` is; fails the test if it is none.
  mlir::OwningOpRef<mlir::ModuleOp> parse(llvm::StringRef text);
  /// The results of `function` of `module` in f64; empty, and a failed test, if it can not be evaluated.
  llvm::SmallVector<Value64> run(mlir::ModuleOp module, llvm::StringRef function,
                                 llvm::ArrayRef<Value64> arguments);
  /// A tensor of numbers in [-1.5, 1.5], or of the integers 0, 0, 1, 1, 2, ..., of a type with known sizes.
  Value64 makeInput(mlir::Type type);

  mlir::MLIRContext context;
  std::mt19937 random{17};
};

/// The only operation of nn in the function @f of `module`.
mlir::Operation *findOperation(mlir::ModuleOp module);

} // namespace llmc::nn

#endif // LLMC_TEST_UNIT_NN_PROGRAMS_H
