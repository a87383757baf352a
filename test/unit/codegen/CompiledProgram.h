//===- CompiledProgram.h - a small nn program, compiled, loaded and run ---------------------------------===//
//
// What the code generator makes of a program, held against the reference semantics of the same program.
//
//===--------------------------------------------------------------------------------------------------===//
#ifndef LLMC_TEST_UNIT_CODEGEN_COMPILEDPROGRAM_H
#define LLMC_TEST_UNIT_CODEGEN_COMPILEDPROGRAM_H

#include "absl/strings/string_view.h"
#include "codegen/cpu/LowerToCpu.h"
#include "codegen/verify/LoadedProgram.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include "passes/Pipelines.h"
#include "test/unit/codegen/RandomParameters.h"
#include "gtest/gtest.h"
#include <memory>
#include <string>
#include <vector>

namespace llmc::test {

struct ProgramOptions {
  std::string cpu = "native";
  codegen::StepSizes sizes{/*maxRows=*/31, /*context=*/96};
  passes::ComputeType computeType = passes::ComputeType::Auto;
  std::string cacheType = "f32";
  int64_t activationBits = 16; ///< of what quantized weights are multiplied by
};

/// A compiled program: a public function @forward with arguments as importers give them.
class CompiledProgram {
public:
  /// Compiles `text`, a program as importers make it. Null, with a test failure, where that fails.
  static std::unique_ptr<CompiledProgram> compile(const std::string &text,
                                                  const ProgramOptions &options = {});

  /// Outputs of all rows, [rows, width], of a sequence of tokens that is fed in `pieces`, which add up to its
  /// length. A piece of one row takes the step for one row if there is one. Every step finds a spoiled arena.
  /// `outputIds`: rows of the last piece whose outputs are wanted, all rows of all pieces if it is empty.
  std::vector<float> feed(const std::vector<int32_t> &tokens, const std::vector<int64_t> &pieces, int threads,
                          const std::vector<int32_t> &outputIds = {}) const;

  /// Runs `tokens` as one step of `name`, at positions from 0, with a fresh cache.
  std::vector<float> runStep(llvm::StringRef name, const std::vector<int32_t> &tokens, int threads) const;

  /// What the reference semantics give in f64 for the program as it was when kernels were made of it.
  std::vector<float> reference(const std::vector<int32_t> &tokens,
                               const std::vector<int32_t> &outputIds = {}) const;

  bool hasDecode() const { return loaded->has("decode"); }
  int64_t width() const { return loaded->width(); }
  int64_t maxRows() const { return options.sizes.maxRows; }
  /// The program after the passes on nn.
  mlir::ModuleOp fused() const { return *fusedModule; }

private:
  explicit CompiledProgram(const ProgramOptions &options) : options(options) {}
  void build(const std::string &text);
  std::vector<float> run(llvm::StringRef name, std::vector<int32_t> tokens, int64_t firstPosition,
                         const std::vector<int32_t> &outputIds, const codegen::GuardedMemory &cache,
                         int threads) const;

  const ProgramOptions options;
  std::unique_ptr<mlir::MLIRContext> context;
  mlir::OwningOpRef<mlir::ModuleOp> fusedModule;
  mutable RandomParameters parameters;
  std::unique_ptr<codegen::LoadedProgram> loaded;
};

/// The token ids 0 .. count - 1, times a number that mixes them.
std::vector<int32_t> someTokens(int64_t count, int64_t vocabulary, int64_t first = 0);

/// Fails the test if `found` departs from `expected` by more than `tolerance`, relative to the largest number
/// expected.
void expectNear(const std::vector<float> &found, const std::vector<float> &expected, double tolerance,
                const std::string &what);

/// Fails the test unless the bits are the same.
void expectSameBits(const std::vector<float> &found, const std::vector<float> &expected,
                    const std::string &what);

/// Holds a program without attention, whose rows do not depend on each other, against the reference, and
/// checks that a row comes out the same whatever the rows beside it, the step and the number of threads.
void checkRows(const CompiledProgram &program, int64_t vocabulary, double tolerance);

/// Tokens that checkSequence() feeds.
inline constexpr int64_t kSequenceLength = 75;

/// Holds a program with causal attention against the reference, and checks that outputs are the same however
/// a sequence is fed.
void checkSequence(const CompiledProgram &program, int64_t vocabulary, double tolerance);

/// `text` with its $NAMES replaced. $ARGUMENTS are those of a decoder's @forward: %tokens, %positions, %ids,
/// and a cache that is not used, so that there is a step for one row.
std::string filled(absl::string_view text,
                   const std::vector<std::pair<std::string, std::string>> &names = {});

} // namespace llmc::test

#endif // LLMC_TEST_UNIT_CODEGEN_COMPILEDPROGRAM_H
