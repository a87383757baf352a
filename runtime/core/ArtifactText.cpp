#include "runtime/core/ArtifactText.h"

#include "absl/strings/str_cat.h"

#include <set>

namespace llmc::runtime {

absl::StatusOr<std::unique_ptr<text::Tokenizer>> loadTokenizer(const Manifest &manifest) {
  if (manifest.tokenizer().empty())
    return absl::FailedPreconditionError("has no tokenizer, only token ids can be given to it");
  text::TokenizerModel model;
  if (!model.ParseFromString(manifest.tokenizer()))
    return absl::DataLossError("tokenizer: is not a valid protobuf message");
  absl::StatusOr<std::unique_ptr<text::Tokenizer>> tokenizer = text::Tokenizer::create(model);
  if (!tokenizer.ok())
    return absl::Status(tokenizer.status().code(), absl::StrCat("tokenizer: ", tokenizer.status().message()));
  return tokenizer;
}

std::vector<int32_t> stopTokens(const Manifest &manifest) {
  std::set<int32_t> ids(manifest.generation_defaults().stop_ids().begin(),
                        manifest.generation_defaults().stop_ids().end());
  text::TokenizerModel model;
  if (model.ParseFromString(manifest.tokenizer()))
    ids.insert(model.stop_ids().begin(), model.stop_ids().end());
  return {ids.begin(), ids.end()};
}

} // namespace llmc::runtime
