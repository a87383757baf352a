//===- DefinitionCheckpoint.h - a checkpoint that does not exist yet ----------------------------------===//
#ifndef LLMC_FRONTEND_IMPORT_DEFINITIONCHECKPOINT_H
#define LLMC_FRONTEND_IMPORT_DEFINITIONCHECKPOINT_H

#include "frontend/import/Checkpoint.h"

namespace llmc::frontend {

/// The checkpoint of a model that is only defined: without fields and tensors, named as Hugging Face files
/// name them. `path` and `architecture` are for messages.
class DefinitionCheckpoint : public Checkpoint {
public:
  DefinitionCheckpoint(std::string path, std::string architecture);

  bool holdsTensors() const override { return false; }
  std::vector<std::string> files() const override { return {}; }
  Hyperparameters hyperparameters() const override;
  Hyperparameters generationDefaults() const override { return hyperparameters(); }
  absl::StatusOr<std::string> readTokenizer() const override;
  absl::StatusOr<std::optional<hf::SentenceEmbedding>> readEmbedding() const override { return std::nullopt; }
};

} // namespace llmc::frontend

#endif // LLMC_FRONTEND_IMPORT_DEFINITIONCHECKPOINT_H
