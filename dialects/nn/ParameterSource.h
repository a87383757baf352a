//===- ParameterSource.h - where the contents of parameters come from --------------------------------===//
#ifndef LLMC_DIALECTS_NN_PARAMETERSOURCE_H
#define LLMC_DIALECTS_NN_PARAMETERSOURCE_H

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

namespace llmc::nn {

/// The tensors behind `nn.param` operations that have no initializer: a memory-mapped checkpoint, or made-up
/// numbers in tests.
class ParameterSource {
public:
  virtual ~ParameterSource() = default;

  /// Returns the bytes of tensor `name`, in the storage of `type` (row-major; blocks of GGUF for
  /// block-quantized elements), which is the type that the program declares. The view lives as long as the
  /// source. Fails with one line if there is no such tensor or its type differs.
  virtual llvm::Expected<llvm::ArrayRef<uint8_t>> getContents(llvm::StringRef name,
                                                              mlir::RankedTensorType type) = 0;
};

} // namespace llmc::nn

#endif // LLMC_DIALECTS_NN_PARAMETERSOURCE_H
