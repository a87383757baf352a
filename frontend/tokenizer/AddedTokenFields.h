//===- AddedTokenFields.h - added tokens in JSON files --------------------===//

#ifndef LLMC_TOKENIZER_ADDED_TOKEN_FIELDS_H
#define LLMC_TOKENIZER_ADDED_TOKEN_FIELDS_H

#include <cstdint>

#include "absl/status/status.h"

#include "frontend/tokenizer/JsonField.h"
#include "frontend/tokenizer/TokenizerModelBuilder.h"
#include "runtime/text/tokenizer.pb.h"

namespace llmc::tokenizer {

/// Adds to `model` the token `id` that `field`, an object with content and flags, describes. Fails if the
/// vocabulary has another token of this id or text.
absl::Status importAddedToken(const JsonField &field, uint32_t id, const TokenIds &ids,
                              text::TokenizerModel &model);

/// Adds `token`, which stands at `field`, with the same checks. A token that was added with its id is
/// replaced.
absl::Status replaceAddedToken(const JsonField &field, const text::AddedToken &token, const TokenIds &ids,
                               text::TokenizerModel &model);

/// Adds or replaces the tokens of `field`, the member added_tokens_decoder of tokenizer_config.json: objects
/// by their ids. Nothing if it is null.
absl::Status importAddedTokensDecoder(const JsonField &field, const TokenIds &ids,
                                      text::TokenizerModel &model);

/// Adds or replaces the tokens of `field`, the content of added_tokens.json: ids by texts.
absl::Status importAddedTokensJson(const JsonField &field, const TokenIds &ids, text::TokenizerModel &model);

} // namespace llmc::tokenizer

#endif
