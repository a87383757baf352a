//===- AddedTokenFields.cpp - added tokens in JSON files ------------------===//

#include "frontend/tokenizer/AddedTokenFields.h"

#include <algorithm>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include "runtime/io/Message.h"

namespace llmc::tokenizer {

namespace {

using text::TokenizerModel;

absl::StatusOr<text::AddedToken> readToken(const JsonField &field, uint32_t id) {
  absl::StatusOr<std::string> content = field["content"].string();
  absl::StatusOr<bool> special = field["special"].booleanOr(false);
  absl::StatusOr<bool> lstrip = field["lstrip"].booleanOr(false);
  absl::StatusOr<bool> rstrip = field["rstrip"].booleanOr(false);
  absl::StatusOr<bool> singleWord = field["single_word"].booleanOr(false);
  if (!content.ok())
    return content.status();
  absl::StatusOr<bool> normalized = field["normalized"].booleanOr(special.ok() && !*special);
  for (const absl::Status &status :
       {special.status(), lstrip.status(), rstrip.status(), singleWord.status(), normalized.status()})
    if (!status.ok())
      return status;
  text::AddedToken token;
  token.set_id(id);
  token.set_content(*content);
  token.set_special(*special);
  token.set_lstrip(*lstrip);
  token.set_rstrip(*rstrip);
  token.set_single_word(*singleWord);
  token.set_normalized(*normalized);
  return token;
}

absl::Status checkAgainstVocabulary(const JsonField &field, const text::AddedToken &token,
                                    const TokenIds &ids) {
  std::optional<uint32_t> known = ids.find(token.content());
  const uint32_t id = token.id();
  if ((known && *known != id) || (!known && id < ids.size() && !ids.text(id).empty()))
    return field.error(absl::StrFormat("%s has id %d here, which disagrees with the vocabulary",
                                       io::quote(token.content()), id));
  if (id > ids.size() * 4 + 65536)
    return field.error(absl::StrFormat("id %d is far outside the vocabulary of %d tokens", id, ids.size()));
  return absl::OkStatus();
}

} // namespace

absl::Status importAddedToken(const JsonField &field, uint32_t id, const TokenIds &ids,
                              TokenizerModel &model) {
  absl::StatusOr<text::AddedToken> token = readToken(field, id);
  if (!token.ok())
    return token.status();
  if (absl::Status status = checkAgainstVocabulary(field, *token, ids); !status.ok())
    return status;
  *model.add_added_tokens() = *std::move(token);
  return absl::OkStatus();
}

absl::Status replaceAddedToken(const JsonField &field, const text::AddedToken &token, const TokenIds &ids,
                               TokenizerModel &model) {
  if (absl::Status status = checkAgainstVocabulary(field, token, ids); !status.ok())
    return status;
  auto &tokens = *model.mutable_added_tokens();
  auto same = std::find_if(tokens.begin(), tokens.end(),
                           [&](const text::AddedToken &other) { return other.id() == token.id(); });
  (same == tokens.end() ? *tokens.Add() : *same) = token;
  return absl::OkStatus();
}

absl::Status importAddedTokensDecoder(const JsonField &field, const TokenIds &ids, TokenizerModel &model) {
  if (field.isNull())
    return absl::OkStatus();
  if (!field.value().is_object())
    return field.wrongKind("an object from ids to tokens");
  for (const auto &[name, value] : field.value().items()) {
    uint32_t id = 0;
    if (!absl::SimpleAtoi(name, &id) || id > INT32_MAX)
      return field.error(absl::StrCat(io::quote(name), " is not an id"));
    absl::StatusOr<text::AddedToken> token = readToken(field[name], id);
    if (!token.ok())
      return token.status();
    if (absl::Status status = replaceAddedToken(field[name], *token, ids, model); !status.ok())
      return status;
  }
  return absl::OkStatus();
}

absl::Status importAddedTokensJson(const JsonField &field, const TokenIds &ids, TokenizerModel &model) {
  if (!field.value().is_object())
    return field.wrongKind("an object from tokens to ids");
  for (const auto &[content, value] : field.value().items()) {
    absl::StatusOr<uint32_t> id = field[content].id();
    if (!id.ok())
      return id.status();
    text::AddedToken token;
    token.set_id(*id);
    token.set_content(content);
    if (absl::Status status = replaceAddedToken(field[content], token, ids, model); !status.ok())
      return status;
  }
  return absl::OkStatus();
}

} // namespace llmc::tokenizer
