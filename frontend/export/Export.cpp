//===- Export.cpp - from an imported model to files ---------------------------------------------------===//

#include "frontend/export/Export.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "frontend/export/GgufExport.h"
#include "frontend/export/HuggingFaceExport.h"
#include "mlir/IR/MLIRContext.h"

#include <filesystem>

using namespace llmc;
using namespace llmc::frontend;

namespace {

/// Whether `format` can hold the model.
absl::Status checkTarget(const ImportedModel &model, Format format) {
  if (model.source->format() == format)
    return absl::OkStatus();
  const bool isGguf = format == Format::Gguf;
  const char *name = isGguf ? "a GGUF file" : "a Hugging Face directory";
  if (model.description.huggingFaceArchitecture.empty() || model.description.ggufArchitecture.empty())
    return absl::UnimplementedError(
        absl::StrCat(model.source->path(), ": the family ", model.info.family, " is not written as ", name));
  if (const std::string &gap = model.description.gap[static_cast<int>(format)]; !gap.empty())
    return absl::UnimplementedError(
        absl::StrCat(model.source->path(), ": cannot be written as ", name, ": ", gap));
  return absl::OkStatus();
}

} // namespace

absl::StatusOr<ExportReport> llmc::frontend::exportModel(const std::string &model, const std::string &output,
                                                         const ExportOptions &options,
                                                         ExportProgress progress) {
  const Format format = absl::EndsWith(output, ".gguf") ? Format::Gguf : Format::HuggingFace;
  if (options.format && format == Format::HuggingFace && blocks::traitsOf(*options.format).isQuantized())
    return absl::InvalidArgumentError(
        absl::StrCat("--dtype ", std::string(blocks::nameOf(*options.format)),
                     " is for GGUF files; a Hugging Face directory holds F32, F16 or BF16"));
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  absl::StatusOr<ImportedModel> imported = importModel(model, {}, &context);
  if (!imported.ok())
    return imported.status();
  if (absl::Status status = checkTarget(*imported, format); !status.ok())
    return status;
  for (const std::string &file : imported->files) {
    std::error_code missing;
    if (std::filesystem::equivalent(file, output, missing))
      return absl::InvalidArgumentError(
          absl::StrCat("-o ", output, ": is read by this conversion; choose another output"));
  }
  return format == Format::Gguf ? exportGguf(*imported, output, options, progress)
                                : exportHuggingFace(*imported, output, options, progress);
}
