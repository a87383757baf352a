//===- HuggingFaceCheckpoint.cpp - a Hugging Face directory as a checkpoint --------------------------===//

#include "absl/strings/str_cat.h"
#include "frontend/hf/Directory.h"
#include "frontend/import/DirectoryFields.h"
#include "frontend/import/Formats.h"
#include "frontend/import/TokenizerFiles.h"
#include "frontend/safetensors/Checkpoint.h"

using namespace llmc;
using namespace llmc::frontend;

namespace {

class HuggingFaceCheckpoint : public Checkpoint {
public:
  HuggingFaceCheckpoint(hf::Directory directory, safetensors::Checkpoint tensorFiles)
      : Checkpoint(Format::HuggingFace, directory.path()), directory(std::move(directory)),
        tensorFiles(std::move(tensorFiles)) {}

  absl::Status load() {
    absl::StatusOr<std::vector<std::string>> names = directory.architectures();
    if (!names.ok())
      return names.status();
    if (names->size() != 1)
      return directory.config().wrong("architectures", "a list of one architecture");
    architectureName = names->front();
    modelCard = readModelCard(directory);
    for (const safetensors::Located &located : tensorFiles.tensors()) {
      StoredTensor &target = stored[located.tensor->name];
      target.file = located.shard->path();
      if (absl::StatusOr<blocks::StorageFormat> format = located.tensor->weightFormat(); format.ok())
        target.format = *format;
      target.typeName = std::string(safetensors::nameOf(located.tensor->type));
      target.shape.assign(located.tensor->shape.begin(), located.tensor->shape.end());
      target.bytes = located.tensor->bytes;
    }
    return absl::OkStatus();
  }

  std::vector<std::string> files() const override {
    std::vector<std::string> paths = tensorFiles.files();
    paths.insert(paths.end(), directory.files().begin(), directory.files().end());
    return paths;
  }
  Hyperparameters hyperparameters() const override { return fieldsOf(directory.config()); }
  Hyperparameters generationDefaults() const override {
    if (directory.generationConfig())
      return fieldsOf(*directory.generationConfig());
    return Hyperparameters(Format::HuggingFace, filePath, "",
                           [](const std::string &) { return MissingField(); });
  }
  absl::StatusOr<std::string> readTokenizer() const override { return readHuggingFaceTokenizer(directory); }
  absl::StatusOr<std::optional<hf::SentenceEmbedding>> readEmbedding() const override {
    return hf::readSentenceEmbedding(directory);
  }

private:
  hf::Directory directory;
  safetensors::Checkpoint tensorFiles;
};

} // namespace

absl::StatusOr<std::unique_ptr<Checkpoint>> llmc::frontend::openHuggingFace(const std::string &path) {
  absl::StatusOr<hf::Directory> directory = hf::Directory::open(path);
  if (!directory.ok())
    return directory.status();
  absl::StatusOr<safetensors::Checkpoint> tensors = safetensors::Checkpoint::open(path);
  if (!tensors.ok())
    return tensors.status();
  auto checkpoint = std::make_unique<HuggingFaceCheckpoint>(std::move(*directory), std::move(*tensors));
  if (absl::Status status = checkpoint->load(); !status.ok())
    return status;
  return checkpoint;
}
