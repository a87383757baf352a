//===- Tokenizer.h - text to token ids and back ---------------------------===//

#ifndef LLMC_TEXT_TOKENIZER_H
#define LLMC_TEXT_TOKENIZER_H

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include "runtime/text/AddedTokens.h"
#include "runtime/text/BytePairEncoding.h"
#include "runtime/text/Detokenizer.h"
#include "runtime/text/Normalizer.h"
#include "runtime/text/PreTokenizer.h"
#include "runtime/text/TokenIndex.h"
#include "runtime/text/Unigram.h"
#include "runtime/text/WordPiece.h"
#include "runtime/text/tokenizer.pb.h"

namespace llmc::text {

/// What encoding does about special tokens. The defaults suit a text that the caller wrote.
struct EncodeOptions {
  /// Surround the text with what the model's template asks for, such as a beginning-of-sequence token. Not
  /// wanted for the output of a chat template, which has them already.
  bool addSpecialTokens = true;
  /// The text of a special token stands for the token. Not wanted for text from strangers.
  bool parseSpecial = true;
};

/// A token and where it comes from.
struct PlacedToken {
  int32_t id;
  /// The segment, which some models are told: 1 for the second text of a pair.
  int32_t type;
  /// Which of the texts that were given has the token: 0 or 1, or -1 for those around them.
  int32_t text;
  /// The bytes of that text, without white space at either end.
  ByteRange bytes;
};

/// Whether special tokens appear in decoded text.
enum class DecodeSpecial { Skip, Keep };

/// The tokenizer of a model: the ids are those of the reference library on the same tokenizer.json.
/// Thread-safe.
class Tokenizer {
public:
  /// Fails if the model is malformed; the error names the part.
  static absl::StatusOr<std::unique_ptr<Tokenizer>> create(const TokenizerModel &model);

  /// The ids of `text`. Broken UTF-8 counts as U+FFFD: each longest broken part (Unicode 15, section 3.9), or
  /// each byte of it where SentencePiece's normalization is the first step. Fails only if a regular
  /// expression of the model exceeds its limits on this text.
  absl::StatusOr<std::vector<int32_t>> encode(absl::string_view text, EncodeOptions options = {}) const;

  /// The ids of two texts that belong together, such as a question and a passage.
  absl::StatusOr<std::vector<int32_t>> encodePair(absl::string_view first, absl::string_view second,
                                                  EncodeOptions options = {}) const;

  /// The ids of one text, or of two that belong together, with their places.
  absl::StatusOr<std::vector<PlacedToken>> place(absl::Span<const absl::string_view> texts,
                                                 EncodeOptions options = {}) const;

  /// The text of `ids`. Ids without a token are left out.
  std::string decode(absl::Span<const int32_t> ids, DecodeSpecial special = DecodeSpecial::Skip) const;

  /// One more than the largest id.
  size_t vocabularySize() const;

  /// The token as the vocabulary writes it (an added token: as it is looked for); empty if the id has none.
  absl::string_view tokenText(int32_t id) const;

  /// The bytes of text that a token stands for by itself; empty for those that are not part of the text.
  std::string bytesOfToken(int32_t id, TokenPlace place) const;

  /// The id of a token as the vocabulary writes it.
  std::optional<int32_t> findToken(absl::string_view text) const;

  /// Whether the token is special: not part of the text that a user reads.
  bool isSpecial(int32_t id) const;

  /// Whether decoding can leave the token out. As in the reference, a special token that normalization has
  /// changed counts as text.
  bool isHidden(int32_t id) const;

  std::optional<int32_t> bosId() const { return role(model.has_bos_id(), model.bos_id()); }
  std::optional<int32_t> eosId() const { return role(model.has_eos_id(), model.eos_id()); }
  std::optional<int32_t> padId() const { return role(model.has_pad_id(), model.pad_id()); }
  std::optional<int32_t> unkId() const { return role(model.has_unk_id(), model.unk_id()); }
  /// Stands for a token that is to be predicted.
  std::optional<int32_t> maskId() const { return role(model.has_mask_id(), model.mask_id()); }

  /// Whether `id` ends a generation.
  bool isStop(int32_t id) const;

  /// Jinja source of the chat template; empty if the model has none.
  const std::string &chatTemplate() const { return model.chat_template(); }

  const Decoder &decoder() const { return model.decoder(); }

private:
  Tokenizer(TokenIndex index, Normalizer normalizer, PreTokenizer preTokenizer, AddedTokens addedTokens);
  static std::optional<int32_t> role(bool present, uint32_t id) {
    return present ? std::optional<int32_t>(static_cast<int32_t>(id)) : std::nullopt;
  }
  absl::Status takeModel(const TokenizerModel &model);
  absl::Status checkIds() const;
  absl::Status appendText(absl::string_view text, SpecialTokens special, std::vector<int32_t> &ids,
                          std::vector<ByteRange> *ranges = nullptr) const;
  absl::Status appendWords(absl::string_view text, bool atTextStart, Pieces &pieces,
                           std::vector<int32_t> &ids, std::vector<ByteRange> *ranges) const;
  absl::StatusOr<std::vector<int32_t>>
  fillTemplate(const Template &shape, absl::Span<const absl::string_view> texts, EncodeOptions options) const;

  TokenIndex index;
  Normalizer normalizer;
  PreTokenizer preTokenizer;
  AddedTokens addedTokens;
  // One of the three, by the model's algorithm.
  std::unique_ptr<BytePairEncoding> bytePairEncoding;
  std::unique_ptr<WordPiece> wordPiece;
  std::unique_ptr<Unigram> unigram;
  // Without the vocabulary and the merges.
  TokenizerModel model;
};

/// Turns ids into text as they are generated; see Detokenizer.
class StreamingDetokenizer {
public:
  /// `tokenizer` must outlive the result.
  explicit StreamingDetokenizer(const Tokenizer &tokenizer, DecodeSpecial special = DecodeSpecial::Skip)
      : tokenizer(tokenizer), special(special), detokenizer(tokenizer.decoder()) {}

  /// The text that `id` completes, in whole characters; may be empty.
  std::string push(int32_t id);

  /// The text that was held back when no id follows.
  std::string finish() { return detokenizer.finish(); }

private:
  const Tokenizer &tokenizer;
  DecodeSpecial special;
  Detokenizer detokenizer;
};

} // namespace llmc::text

#endif
