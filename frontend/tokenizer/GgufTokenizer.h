//===- GgufTokenizer.h - tokenizers of GGUF files -------------------------===//

#ifndef LLMC_TOKENIZER_GGUF_TOKENIZER_H
#define LLMC_TOKENIZER_GGUF_TOKENIZER_H

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "runtime/text/tokenizer.pb.h"

namespace llmc::tokenizer {

/// The metadata of a GGUF file about its tokenizer, each field under its key.
struct GgufTokenizerFields {
  std::string model;                          ///< tokenizer.ggml.model
  std::string pre;                            ///< tokenizer.ggml.pre; empty if missing
  std::vector<std::string> tokens;            ///< tokenizer.ggml.tokens
  std::vector<int32_t> tokenTypes;            ///< tokenizer.ggml.token_type; empty if missing
  std::vector<double> scores;                 ///< tokenizer.ggml.scores; empty if missing
  std::vector<std::string> merges;            ///< tokenizer.ggml.merges
  std::optional<uint32_t> bosId;              ///< tokenizer.ggml.bos_token_id
  std::optional<uint32_t> eosId;              ///< tokenizer.ggml.eos_token_id
  std::optional<uint32_t> eotId;              ///< tokenizer.ggml.eot_token_id
  std::optional<uint32_t> unkId;              ///< tokenizer.ggml.unknown_token_id
  std::optional<uint32_t> padId;              ///< tokenizer.ggml.padding_token_id
  std::optional<uint32_t> clsId;              ///< tokenizer.ggml.cls_token_id
  std::optional<uint32_t> sepId;              ///< tokenizer.ggml.seperator_token_id (spelled so)
  std::optional<bool> addBos;                 ///< tokenizer.ggml.add_bos_token
  std::optional<bool> addEos;                 ///< tokenizer.ggml.add_eos_token
  std::optional<bool> addSpacePrefix;         ///< tokenizer.ggml.add_space_prefix
  std::string chatTemplate;                   ///< tokenizer.chat_template
  std::string precompiledCharsmap;            ///< tokenizer.ggml.precompiled_charsmap; empty if missing
  std::optional<bool> removeExtraWhitespaces; ///< tokenizer.ggml.remove_extra_whitespaces
};

/// Reads a tokenizer of model gpt2 (byte-level BPE), llama (BPE of SentencePiece), t5 (Unigram of
/// SentencePiece) or bert (WordPiece). An error names the key; other models and pre-tokenizers are refused by
/// name with what is supported.
absl::StatusOr<text::TokenizerModel> importGgufTokenizer(const GgufTokenizerFields &fields);

} // namespace llmc::tokenizer

#endif
