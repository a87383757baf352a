//===- HuggingFaceExport.h - a model as a Hugging Face directory --------------------------------------===//
#ifndef LLMC_FRONTEND_EXPORT_HUGGINGFACEEXPORT_H
#define LLMC_FRONTEND_EXPORT_HUGGINGFACEEXPORT_H

#include "frontend/export/Export.h"
#include "frontend/import/Import.h"

namespace llmc::frontend {

/// Writes `model` as the directory `output`.
absl::StatusOr<ExportReport> exportHuggingFace(ImportedModel &model, const std::string &output,
                                               const ExportOptions &options, ExportProgress progress);

} // namespace llmc::frontend

#endif // LLMC_FRONTEND_EXPORT_HUGGINGFACEEXPORT_H
