//===- Export.h - from an imported model to files -----------------------------------------------------===//
#ifndef LLMC_FRONTEND_EXPORT_EXPORT_H
#define LLMC_FRONTEND_EXPORT_EXPORT_H

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "dialects/blocks/BlockFormat.h"

#include <optional>
#include <string>
#include <vector>

namespace llmc::frontend {

/// How a model is written.
struct ExportOptions {
  /// What the elements of matrices are stored as; nothing: as they are, where the target has that. Vectors of
  /// GGUF files are F32 always.
  std::optional<blocks::StorageFormat> format;
};

/// What was written.
struct ExportReport {
  int64_t tensors = 0;
  uint64_t bytes = 0; ///< of all files
  /// What is not as it was asked for, a line each: tensors whose rows are no whole blocks.
  std::vector<std::string> notes;
};

/// Told how many of all tensors are written.
using ExportProgress = absl::FunctionRef<void(int64_t done, int64_t total)>;

/// Writes the model at `model` (a GGUF file or a Hugging Face directory) to `output`: a GGUF file if that is
/// how its name ends (".gguf"), else a Hugging Face directory, which must not be there or be empty. Nothing
/// is left behind if that fails. What the target's format cannot say is refused by name.
absl::StatusOr<ExportReport> exportModel(const std::string &model, const std::string &output,
                                         const ExportOptions &options, ExportProgress progress);

} // namespace llmc::frontend

#endif // LLMC_FRONTEND_EXPORT_EXPORT_H
