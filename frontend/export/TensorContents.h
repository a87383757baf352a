//===- TensorContents.h - the numbers of a tensor for a file that is written --------------------------===//
#ifndef LLMC_FRONTEND_EXPORT_TENSORCONTENTS_H
#define LLMC_FRONTEND_EXPORT_TENSORCONTENTS_H

#include "frontend/import/Checkpoint.h"
#include "frontend/import/NamedTensor.h"
#include "runtime/io/AtomicFile.h"

#include <vector>

namespace llmc::frontend {

/// A tensor of a model as files of one format hold it, whichever format the model comes from: rows in their
/// order, norms less one, matrices transposed (NamedTensor).
class TensorContents {
public:
  /// `source` has imported the model, and holds the tensor in a format that a model can use.
  static absl::StatusOr<TensorContents> create(Checkpoint &source, const NamedTensor &tensor, Format target);

  /// The sizes in the target's files.
  const std::vector<int64_t> &shape() const { return sizes; }
  bool isVector() const { return sizes.size() == 1; }
  /// What the source stores.
  blocks::StorageFormat stored() const { return format; }

  /// Whether every number can be stored as `target` without rounding. Reads the whole tensor.
  bool fits(blocks::StorageFormat target) const;

  /// Appends the elements, as `target`, to `file`. Fails by the name of the tensor where a number is not
  /// finite or too large for `target`.
  absl::Status append(blocks::StorageFormat target, io::AtomicFile &file) const;

private:
  TensorContents() = default;

  int64_t rows() const;
  /// Row `row` of the target's tensor in f32.
  void readRow(int64_t row, float *values) const;

  std::string place; ///< "FILE: tensor 'NAME'"
  std::vector<int64_t> sizes;
  int64_t width = 0; ///< elements of a row
  blocks::StorageFormat format = blocks::StorageFormat::F32;
  llvm::ArrayRef<uint8_t> bytes; ///< rows of the source
  bool isChanged = false;        ///< rows are not those of the source
  float added = 0;
  /// Rows of a head whose order changes, and whether to neighbours; 0: none does.
  int64_t headRows = 0;
  bool toNeighbours = false;
  std::vector<float> transposed; ///< all numbers, of a matrix that is transposed
};

} // namespace llmc::frontend

#endif // LLMC_FRONTEND_EXPORT_TENSORCONTENTS_H
