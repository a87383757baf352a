//===- DefinitionCheckpoint.cpp - a checkpoint that does not exist yet --------------------------------===//

#include "frontend/import/DefinitionCheckpoint.h"

using namespace llmc;
using namespace llmc::frontend;

DefinitionCheckpoint::DefinitionCheckpoint(std::string path, std::string architecture)
    : Checkpoint(Format::HuggingFace, std::move(path)) {
  architectureName = std::move(architecture);
}

Hyperparameters DefinitionCheckpoint::hyperparameters() const {
  return Hyperparameters(Format::HuggingFace, filePath, "",
                         [](const std::string &) { return MissingField(); });
}

absl::StatusOr<std::string> DefinitionCheckpoint::readTokenizer() const {
  return absl::UnimplementedError(filePath + ": is a model definition, which has no tokenizer");
}
