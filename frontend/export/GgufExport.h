//===- GgufExport.h - a model as a GGUF file ----------------------------------------------------------===//
#ifndef LLMC_FRONTEND_EXPORT_GGUFEXPORT_H
#define LLMC_FRONTEND_EXPORT_GGUFEXPORT_H

#include "frontend/export/Export.h"
#include "frontend/import/Import.h"

namespace llmc::frontend {

/// Writes `model` as the GGUF file `output`.
absl::StatusOr<ExportReport> exportGguf(ImportedModel &model, const std::string &output,
                                        const ExportOptions &options, ExportProgress progress);

} // namespace llmc::frontend

#endif // LLMC_FRONTEND_EXPORT_GGUFEXPORT_H
