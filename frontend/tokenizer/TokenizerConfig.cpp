//===- TokenizerConfig.cpp - what stands beside a tokenizer ---------------===//

#include "frontend/tokenizer/TokenizerConfig.h"

#include <algorithm>
#include <string>
#include <utility>

#include "frontend/tokenizer/JsonField.h"

namespace llmc::tokenizer {

namespace {

using text::Template;
using text::TokenizerModel;

/// The id of the token that a field of tokenizer_config.json names, as a string or as an object with its
/// content. Nothing if the field is null or names a token that the tokenizer does not have.
absl::StatusOr<std::optional<uint32_t>> roleOf(const JsonField &field, const TokenIds &ids,
                                               const TokenizerModel &model) {
  if (field.isNull())
    return std::nullopt;
  absl::StatusOr<std::string> content =
      field.value().is_object() ? field["content"].string() : field.string();
  if (!content.ok())
    return content.status();
  for (const text::AddedToken &token : model.added_tokens())
    if (token.content() == *content)
      return token.id();
  return ids.find(*content);
}

/// These classes of the transformers library replace the post-processor of the file by one from two flags.
absl::Status applyBosAndEosFlags(const JsonField &config, TokenizerModel &model) {
  absl::StatusOr<std::string> className = config["tokenizer_class"].stringOr("");
  if (!className.ok())
    return className.status();
  constexpr absl::string_view kClasses[] = {"LlamaTokenizer", "LlamaTokenizerFast", "GemmaTokenizer",
                                            "GemmaTokenizerFast"};
  if (std::find(std::begin(kClasses), std::end(kClasses), *className) == std::end(kClasses))
    return absl::OkStatus();
  absl::StatusOr<bool> bos = config["add_bos_token"].booleanOr(true);
  absl::StatusOr<bool> eos = config["add_eos_token"].booleanOr(false);
  if (!bos.ok() || !eos.ok())
    return bos.ok() ? eos.status() : bos.status();
  setBosAndEos(*bos, *eos, model);
  return absl::OkStatus();
}

/// A string, or a list of named templates of which "default" counts.
absl::Status importChatTemplate(const JsonField &field, TokenizerModel &model) {
  if (field.isNull())
    return absl::OkStatus();
  JsonField chosen = field;
  if (field.value().is_array())
    for (size_t i = 0; i < field.value().size(); ++i)
      if (field.element(i)["name"].value() == "default")
        chosen = field.element(i)["template"];
  absl::StatusOr<std::string> source = chosen.string();
  if (!source.ok())
    return source.status();
  return setChatTemplate(*source, chosen.place(), model);
}

/// All of tokenizer_config.json but the chat template.
absl::Status importConfig(const JsonField &config, const TokenIds &ids, TokenizerModel &model) {
  using Setter = void (TokenizerModel::*)(uint32_t);
  static constexpr std::pair<absl::string_view, Setter> kRoles[] = {
      {"bos_token", &TokenizerModel::set_bos_id},
      {"eos_token", &TokenizerModel::set_eos_id},
      {"pad_token", &TokenizerModel::set_pad_id},
      {"unk_token", &TokenizerModel::set_unk_id},
      {"mask_token", &TokenizerModel::set_mask_id}};
  for (auto [name, set] : kRoles) {
    absl::StatusOr<std::optional<uint32_t>> id = roleOf(config[name], ids, model);
    if (!id.ok())
      return id.status();
    if (*id)
      (model.*set)(**id);
  }
  return applyBosAndEosFlags(config, model);
}

/// eos_token_id, a number or an array of numbers.
absl::Status importStopIds(const JsonField &field, TokenizerModel &model) {
  if (field.isNull())
    return absl::OkStatus();
  size_t count = field.value().is_array() ? field.value().size() : 1;
  for (size_t i = 0; i < count; ++i) {
    absl::StatusOr<uint32_t> id = field.value().is_array() ? field.element(i).id() : field.id();
    if (!id.ok())
      return id.status();
    addStopId(*id, model);
  }
  return absl::OkStatus();
}

/// A second JSON file, if there is one, passed to `import`.
template <typename Import>
absl::Status importFile(absl::string_view name, std::optional<absl::string_view> text, Import import) {
  if (!text)
    return absl::OkStatus();
  absl::StatusOr<nlohmann::json> json = parseJson(name, *text);
  if (!json.ok())
    return json.status();
  return import(JsonField(*json, std::string(name)));
}

} // namespace

absl::Status importConfigFiles(const TokenizerConfigFiles &files, const TokenIds &ids,
                               TokenizerModel &model) {
  absl::Status status =
      importFile("tokenizer_config.json", files.tokenizerConfigJson, [&](const JsonField &config) {
        absl::Status status = importConfig(config, ids, model);
        return status.ok() && !files.chatTemplateJinja ? importChatTemplate(config["chat_template"], model)
                                                       : status;
      });
  if (model.has_eos_id())
    addStopId(model.eos_id(), model);
  if (status.ok())
    status = importFile("generation_config.json", files.generationConfigJson, [&](const JsonField &config) {
      return importStopIds(config["eos_token_id"], model);
    });
  if (!status.ok())
    return status;
  addKnownStopIds(model);
  return files.chatTemplateJinja ? setChatTemplate(*files.chatTemplateJinja, "chat_template.jinja", model)
                                 : absl::OkStatus();
}

} // namespace llmc::tokenizer
