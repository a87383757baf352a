//===- GgufCheckpoint.cpp - a GGUF file as a checkpoint ----------------------------------------------===//

#include "absl/strings/str_cat.h"
#include "frontend/gguf/Parts.h"
#include "frontend/import/Formats.h"
#include "frontend/import/TokenizerFiles.h"
#include "llvm/Support/Path.h"

using namespace llmc;
using namespace llmc::frontend;

namespace {

Field fieldOf(const gguf::Value *value) {
  if (!value)
    return MissingField();
  if (auto flag = value->asBool())
    return *flag;
  if (auto integer = value->asInteger())
    return *integer;
  if (auto number = value->asNumber())
    return *number;
  if (auto text = value->asString())
    return std::string(*text);
  if (auto integers = value->asIntegers())
    return *integers;
  if (auto texts = value->asStrings())
    return std::vector<std::string>(texts->begin(), texts->end());
  return OtherField{value->describe()};
}

class GgufCheckpoint : public Checkpoint {
public:
  /// `parts` as gguf::openParts() opens them.
  explicit GgufCheckpoint(std::vector<gguf::Reader> parts)
      : Checkpoint(Format::Gguf, parts.front().path()), parts(std::move(parts)) {}

  absl::Status load() {
    Hyperparameters fields = hyperparameters();
    architectureName = fields.textOr({"", "general.architecture"}, "");
    modelCard.name = fields.textOr({"", "general.name"}, llvm::sys::path::stem(filePath).str());
    modelCard.licence = fields.textOr({"", "general.license"}, "");
    if (architectureName.empty())
      fields.fail({"", "general.architecture"}, "is missing, expected the name of an architecture");
    fields.expect({"", "general.type"}, {std::string("model")});
    for (const gguf::Reader &part : parts)
      for (const gguf::Tensor &tensor : part.tensors()) {
        StoredTensor &target = stored[llvm::StringRef(tensor.name.data(), tensor.name.size())];
        target.file = part.path();
        target.format = tensor.format;
        target.typeName = std::string(blocks::nameOf(tensor.format));
        target.shape.assign(tensor.shape.begin(), tensor.shape.end());
        target.bytes = tensor.bytes;
      }
    return fields.status();
  }

  std::vector<std::string> files() const override {
    std::vector<std::string> paths;
    for (const gguf::Reader &part : parts)
      paths.push_back(part.path());
    return paths;
  }
  Hyperparameters generationDefaults() const override { return hyperparameters(); }
  absl::StatusOr<std::string> readTokenizer() const override { return readGgufTokenizer(parts.front()); }
  absl::StatusOr<std::optional<hf::SentenceEmbedding>> readEmbedding() const override;
  Hyperparameters hyperparameters() const override {
    return Hyperparameters(Format::Gguf, filePath, architectureName + ".",
                           [this](const std::string &key) { return fieldOf(parts.front().find(key)); });
  }

private:
  std::vector<gguf::Reader> parts; ///< the first has the metadata
};

absl::StatusOr<std::optional<hf::SentenceEmbedding>> GgufCheckpoint::readEmbedding() const {
  // Numbers as in llama.cpp: none (of its own), mean, first token, last token, rank.
  constexpr Name pooling = {"", "pooling_type"};
  Hyperparameters fields = hyperparameters();
  int64_t kind = fields.integerOr(pooling, 0, 0, 4);
  if (kind > 3)
    fields.fail(pooling, absl::StrCat("is ", kind,
                                      " (rank), which is not supported (supported: 1 mean, 2 "
                                      "first token, 3 last token)"));
  if (!fields.ok())
    return fields.status();
  if (kind == 0)
    return std::nullopt;
  constexpr hf::Pooling kPoolings[] = {hf::Pooling::Mean, hf::Pooling::FirstToken, hf::Pooling::LastToken};
  return hf::SentenceEmbedding{kPoolings[kind - 1], /*normalize=*/true, /*maxTokens=*/{},
                               /*lowercase=*/false};
}

} // namespace

absl::StatusOr<std::unique_ptr<Checkpoint>> llmc::frontend::openGguf(const std::string &path) {
  absl::StatusOr<std::vector<gguf::Reader>> parts = gguf::openParts(path);
  if (!parts.ok())
    return parts.status();
  auto checkpoint = std::make_unique<GgufCheckpoint>(*std::move(parts));
  if (absl::Status status = checkpoint->load(); !status.ok())
    return status;
  return checkpoint;
}
