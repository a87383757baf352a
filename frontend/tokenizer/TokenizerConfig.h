//===- TokenizerConfig.h - what stands beside a tokenizer -----------------===//

#ifndef LLMC_TOKENIZER_TOKENIZER_CONFIG_H
#define LLMC_TOKENIZER_TOKENIZER_CONFIG_H

#include <optional>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

#include "frontend/tokenizer/TokenizerModelBuilder.h"
#include "runtime/text/tokenizer.pb.h"

namespace llmc::tokenizer {

/// The contents of the files of a Hugging Face directory that say what tokens are for.
struct TokenizerConfigFiles {
  /// tokenizer_config.json: the roles of tokens and the chat template.
  std::optional<absl::string_view> tokenizerConfigJson;
  /// generation_config.json: the tokens that end a generation.
  std::optional<absl::string_view> generationConfigJson;
  /// chat_template.jinja, which goes before the template in tokenizer_config.json.
  std::optional<absl::string_view> chatTemplateJinja;
};

/// Adds to `model`, which is complete but for that, the roles of tokens, the flags of Llama's classes, stop
/// ids and the chat template. An error names file and field.
absl::Status importConfigFiles(const TokenizerConfigFiles &files, const TokenIds &ids,
                               text::TokenizerModel &model);

} // namespace llmc::tokenizer

#endif
