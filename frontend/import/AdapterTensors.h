//===- AdapterTensors.h - the matrices of adapters in the order of a model ---------------------------===//
#ifndef LLMC_FRONTEND_IMPORT_ADAPTERTENSORS_H
#define LLMC_FRONTEND_IMPORT_ADAPTERTENSORS_H

#include "dialects/nn/NN.h"
#include "frontend/import/Import.h"
#include "frontend/peft/Adapter.h"

namespace llmc::frontend {

/// A matrix of numbers in f32, row by row, or a vector.
struct Numbers {
  llvm::SmallVector<int64_t> shape;
  std::vector<float> values;
};

Numbers transposeOf(const Numbers &matrix);

/// What is added to a parameter: scale * left right^T. A table of embeddings has its rows where other weights
/// have outputs.
struct AddedProduct {
  std::string param;
  bool isTable;  ///< which embeddings are looked up in
  Numbers left;  ///< [rows of the parameter, rank]
  Numbers right; ///< [columns of the parameter, rank]
  double scale;  ///< of the adapter itself
};

/// What stands in place of a parameter.
struct ReplacedTensor {
  std::string param;
  Numbers numbers;
};

/// Finds what adapters have in a model, by the names that its Hugging Face files have. Numbers come out as
/// the checkpoint holds what they belong to: in its order of rows, transposed, and so on. Errors are one line
/// that names the adapter's file.
class AdapterTensors {
public:
  /// Fails if the names of the model are not known.
  static absl::StatusOr<AdapterTensors> create(ImportedModel &model);

  absl::StatusOr<AddedProduct> place(const peft::Adapter &adapter, const peft::LowRank &layer) const;
  absl::StatusOr<ReplacedTensor> place(const peft::Adapter &adapter, const peft::Replaced &replaced) const;

private:
  AdapterTensors(mlir::ModuleOp module, const Checkpoint &checkpoint)
      : module(module), checkpoint(&checkpoint) {}
  absl::StatusOr<const NamedTensor *> findTensor(const peft::Adapter &adapter, const std::string &name) const;
  absl::Status refuseTiedTable(const peft::Adapter &adapter, absl::string_view adapted,
                               const std::string &param) const;
  Numbers inOrder(Numbers numbers, const NamedTensor &tensor) const;

  mlir::ModuleOp module;
  const Checkpoint *checkpoint;
  /// The tensors of the model, under the names that adapters know them by.
  std::vector<NamedTensor> candidates;
};

/// The loads of parameter `param`.
llvm::SmallVector<nn::LoadOp> loadsOf(mlir::ModuleOp module, llvm::StringRef param);

} // namespace llmc::frontend

#endif // LLMC_FRONTEND_IMPORT_ADAPTERTENSORS_H
