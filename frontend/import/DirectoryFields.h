//===- DirectoryFields.h - what a Hugging Face directory says of its model ---------------------------===//
#ifndef LLMC_FRONTEND_IMPORT_DIRECTORYFIELDS_H
#define LLMC_FRONTEND_IMPORT_DIRECTORYFIELDS_H

#include "frontend/hf/Directory.h"
#include "frontend/import/Checkpoint.h"
#include "frontend/import/Hyperparameters.h"

namespace llmc::frontend {

/// The fields of a JSON file, in which dots lead into objects.
Hyperparameters fieldsOf(const json::Object &object, Format format = Format::HuggingFace);

/// The model's name is that of the directory; README.md says its licence.
ModelCard readModelCard(const hf::Directory &directory);

} // namespace llmc::frontend

#endif // LLMC_FRONTEND_IMPORT_DIRECTORYFIELDS_H
