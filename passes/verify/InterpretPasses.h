//===- InterpretPasses.h - passes that run a program by its reference semantics ----------------------===//
#ifndef LLMC_PASSES_VERIFY_INTERPRETPASSES_H
#define LLMC_PASSES_VERIFY_INTERPRETPASSES_H

namespace llmc {

/// Registers two passes for tests and for people; neither changes the program:
///
/// - `nn-interpret` evaluates a function without arguments and prints its results;
///   options `function` (main) and `precision` (f32 or f64).
/// - `nn-check-expected` evaluates every function @f for which there is a function @f.expected, and fails
/// where their results
///   differ by more than `tolerance` (0: by a bit) times the largest magnitude expected;
///   option `precision` (f32, f64 or both).
void registerInterpretPasses();

} // namespace llmc

#endif // LLMC_PASSES_VERIFY_INTERPRETPASSES_H
