//===- ForwardPass.h - a model fed step by step, by its reference semantics ----------------------------===//
#ifndef LLMC_DIALECTS_NN_REFERENCE_FORWARDPASS_H
#define LLMC_DIALECTS_NN_REFERENCE_FORWARDPASS_H

#include "dialects/nn/reference/Interpreter.h"

namespace llmc::nn::reference {

/// The tokens of one step.
struct ForwardInputs {
  llvm::ArrayRef<int32_t> tokens;     ///< [rows]
  llvm::ArrayRef<int32_t> tokenTypes; ///< [rows], or empty: zeros
  llvm::ArrayRef<int32_t> outputIds;  ///< rows whose outputs are wanted
};

/// The function @forward of a model, whose arguments are marked with what they are (`nn.input`: tokens,
/// positions, token_types, output_ids, cache). Keeps the caches and the position from one step to the next.
/// A model that reads a source has the function @encode too, which fills caches (`source_cache`) that the
/// decoder reads up to the source's last token (`source_ends`).
template <typename T> class ForwardPass {
public:
  /// `module` must have the function, and must not change while this exists; `source` and `parameterBytes`
  /// are those of the interpreter.
  ForwardPass(mlir::ModuleOp module, ParameterSource *source, int64_t parameterBytes = int64_t(256) << 20);

  /// Starts a new sequence.
  void reset();
  /// Starts a new sequence for which the model reads `source`. Fails with a diagnostic.
  mlir::LogicalResult readSource(llvm::ArrayRef<int32_t> source);
  /// Forgets all tokens but the first `length`, at most position(). What the caches hold of the others is
  /// seen by none before it, and is written again.
  void truncate(int64_t length) { fed = length; }
  /// Tokens of the sequence so far.
  int64_t position() const { return fed; }

  /// Appends `inputs` to the sequence and returns its outputs, [outputIds, width] (of all rows if the program
  /// takes no output_ids). Where the program cannot be evaluated it fails with a diagnostic, and the sequence
  /// is as it was.
  mlir::FailureOr<Tensor<T>> feed(const ForwardInputs &inputs);

private:
  mlir::FailureOr<RuntimeValue<T>> argument(unsigned index, const ForwardInputs &inputs);

  Interpreter<T> interpreter;
  mlir::func::FuncOp function;
  typename Interpreter<T>::Values caches; ///< those of the source first
  size_t sourceCaches = 0;
  int64_t fed = 0, sourceTokens = 0;
};

} // namespace llmc::nn::reference

#endif // LLMC_DIALECTS_NN_REFERENCE_FORWARDPASS_H
