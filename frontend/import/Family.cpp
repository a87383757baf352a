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
  for (Format format : {Format::HuggingFace, Format::Gguf})
    decoder.description.refuse(format, "it is a decoder without its head");
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
