//===- NamedTensor.h - a tensor of a model in both file formats --------------------------------------===//
#ifndef LLMC_FRONTEND_IMPORT_NAMEDTENSOR_H
#define LLMC_FRONTEND_IMPORT_NAMEDTENSOR_H

#include "frontend/import/Hyperparameters.h"

namespace llmc::frontend {

/// A tensor that a model's graph uses, with its names in both formats and what differs between them.
struct NamedTensor {
  /// What Hugging Face files hold of the numbers that GGUF files hold: the same, each less one, the
  /// transposed matrix, or a matrix of one row for a vector.
  enum class Form { Same, LessOne, Transposed, Row };

  std::string huggingFace, gguf;
  Form form = Form::Same;
  /// Heads whose rows are the halves of rotating pairs in Hugging Face files and neighbours in GGUF files; 0:
  /// the order of rows is the same.
  int64_t neighbourHeads = 0;
  /// Of how many experts, whose matrices are one tensor [experts, out, in] in GGUF files, this is the matrix
  /// of number `expert`. 0: of none.
  int64_t experts = 0, expert = 0;

  const std::string &in(Format format) const { return format == Format::Gguf ? gguf : huggingFace; }
};

} // namespace llmc::frontend

#endif // LLMC_FRONTEND_IMPORT_NAMEDTENSOR_H
