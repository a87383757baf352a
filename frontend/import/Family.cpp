//===- Family.cpp - the model families that can be imported ------------------------------------------===//

#include "frontend/import/Family.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "runtime/io/Message.h"

using namespace llmc::frontend;

llvm::ArrayRef<const Family *> llmc::frontend::families() {
  static const Family *const all[] = {&kLlama,  &kQwen2,  &kQwen3,   &kQwen2Moe,  &kQwen3Moe, &kGemma,
                                      &kGemma2, &kGemma3, &kPhi3,    &kGpt2,      &kT5,       &kBart,
                                      &kMarian, &kBert,   &kRoberta, &kDistilBert};
  return all;
}

void llmc::frontend::makeEmbedder(Graph &decoder) {
  decoder.kind = ModelKind::Embed;
  decoder.definition->mutable_head()->Clear();
  decoder.definition->mutable_head()->set_kind(spec::Head::NONE);
  for (Format format : {Format::HuggingFace, Format::Gguf})
    decoder.description.refuse(format, "it is a decoder without its head");
}

const Family &llmc::frontend::familyOf(const spec::ModelDefinition &definition) {
  using spec::ModelDefinition;
  switch (definition.family()) {
  case ModelDefinition::LLAMA:
  case ModelDefinition::MISTRAL:
  case ModelDefinition::MIXTRAL:
    return kLlama;
  case ModelDefinition::GPT2:
    return kGpt2;
  case ModelDefinition::QWEN2:
    return kQwen2;
  case ModelDefinition::QWEN3:
    return kQwen3;
  case ModelDefinition::QWEN2_MOE:
    return kQwen2Moe;
  case ModelDefinition::QWEN3_MOE:
    return kQwen3Moe;
  case ModelDefinition::GEMMA:
    return kGemma;
  case ModelDefinition::GEMMA2:
    return kGemma2;
  case ModelDefinition::GEMMA3:
    return kGemma3;
  case ModelDefinition::PHI3:
    return kPhi3;
  case ModelDefinition::BERT:
    return kBert;
  case ModelDefinition::ROBERTA:
  case ModelDefinition::XLM_ROBERTA:
    return kRoberta;
  case ModelDefinition::DISTILBERT:
    return kDistilBert;
  case ModelDefinition::T5:
  case ModelDefinition::MT5:
    return kT5;
  case ModelDefinition::BART:
    return kBart;
  case ModelDefinition::MARIAN:
    return kMarian;
  default:
    llvm_unreachable("not a family of a complete definition");
  }
}

absl::StatusOr<const Family *> llmc::frontend::findFamily(const Checkpoint &checkpoint) {
  if (checkpoint.format() == Format::Onnx)
    return &kOnnx;
  std::vector<std::string> supported;
  for (const Family *family : families()) {
    auto names = checkpoint.format() == Format::HuggingFace ? family->huggingFaceArchitectures
                                                            : family->ggufArchitectures;
    for (llvm::StringRef name : names) {
      if (name == checkpoint.architecture())
        return family;
      supported.push_back(name.str());
    }
  }
  return absl::UnimplementedError(
      absl::StrCat(checkpoint.path(), ": architecture ", io::quote(checkpoint.architecture()),
                   " is not supported (supported: ", absl::StrJoin(supported, ", "), ")"));
}
