//===- TokenizerModelBuilder.cpp - what the importers share ---------------===//

#include "frontend/tokenizer/TokenizerModelBuilder.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include "runtime/io/Message.h"
#include "runtime/text/Unicode.h"
#include "runtime/text/jinja/Template.h"

namespace llmc::tokenizer {

namespace {

// Special tokens by which well-known models end a turn or a text.
constexpr absl::string_view kStopTokens[] = {
    "<|eot_id|>",    "<|eom_id|>",    "<|im_end|>",         "<|end|>",
    "<end_of_turn>", "<|endoftext|>", "<|end_of_text|>",    "<|return|>",
    "<|call|>",      "<EOT>",         "<end_of_utterance>", "<\uFF5Cend\u2581of\u2581sentence\uFF5C>"};

} // namespace

TokenIds::TokenIds(std::vector<std::string> given) : texts(std::move(given)) {
  idOf.reserve(texts.size());
  for (uint32_t id = 0; id < texts.size(); ++id)
    if (!texts[id].empty())
      idOf.try_emplace(texts[id], id);
}

std::optional<uint32_t> TokenIds::find(absl::string_view text) const {
  auto found = idOf.find(text);
  return found == idOf.end() ? std::nullopt : std::optional<uint32_t>(found->second);
}

void TokenIds::store(text::Vocabulary &vocabulary) const {
  std::string &block = *vocabulary.mutable_text();
  for (const std::string &text : texts) {
    block += text;
    vocabulary.add_token_end(static_cast<uint32_t>(block.size()));
  }
}

absl::Status addMerge(absl::string_view left, absl::string_view right, absl::string_view continuingPrefix,
                      const TokenIds &ids, text::BytePairEncodingModel &model) {
  absl::string_view tail = right;
  absl::ConsumePrefix(&tail, continuingPrefix);
  std::string merged = absl::StrCat(left, tail);
  uint32_t found[3];
  const absl::string_view names[3] = {left, right, merged};
  for (int i = 0; i < 3; ++i) {
    std::optional<uint32_t> id = ids.find(names[i]);
    if (!id)
      return absl::InvalidArgumentError(absl::StrCat("merge ", io::quote(absl::StrCat(left, " ", right)),
                                                     ": ", io::quote(names[i]), " is not in the vocabulary"));
    found[i] = *id;
  }
  model.add_left(found[0]);
  model.add_right(found[1]);
  model.add_merged(found[2]);
  return absl::OkStatus();
}

void setBosAndEos(bool bos, bool eos, text::TokenizerModel &model) {
  using text::Template;
  model.clear_single_template();
  model.clear_pair_template();
  for (int texts : {1, 2}) {
    Template &shape = texts == 1 ? *model.mutable_single_template() : *model.mutable_pair_template();
    for (int i = 0; i < texts; ++i) {
      if (bos && model.has_bos_id())
        shape.add_pieces()->set_token_id(model.bos_id());
      shape.add_pieces()->set_sequence(i == 0 ? Template::Piece::A : Template::Piece::B);
      if (eos && model.has_eos_id())
        shape.add_pieces()->set_token_id(model.eos_id());
    }
  }
}

void addStopId(uint32_t id, text::TokenizerModel &model) {
  if (std::find(model.stop_ids().begin(), model.stop_ids().end(), id) == model.stop_ids().end())
    model.add_stop_ids(id);
}

void addKnownStopIds(text::TokenizerModel &model) {
  for (const text::AddedToken &token : model.added_tokens())
    if (token.special() &&
        std::find(std::begin(kStopTokens), std::end(kStopTokens), token.content()) != std::end(kStopTokens))
      addStopId(token.id(), model);
}

absl::Status setChatTemplate(absl::string_view source, absl::string_view place, text::TokenizerModel &model) {
  if (!text::isValidUtf8(source))
    return absl::InvalidArgumentError(absl::StrCat(place, ": is not UTF-8"));
  if (absl::Status status = text::jinja::Template::parse(source).status(); !status.ok())
    return absl::Status(
        status.code(), absl::StrCat(place, ": ", status.message(), "; mend the chat template, or remove it"));
  model.set_chat_template(std::string(source));
  return absl::OkStatus();
}

} // namespace llmc::tokenizer
