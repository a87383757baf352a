//===- BpeTrainer.h - byte-level BPE from texts -----------------------------------------------------------===//
#ifndef LLMC_TOKENIZER_BPETRAINER_H
#define LLMC_TOKENIZER_BPETRAINER_H

#include "runtime/text/PreTokenizer.h"

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace llmc::tokenizer {

/// What a vocabulary is to be like.
struct BpeTrainerOptions {
  int64_t vocabularySize = 0; ///< in tokens; at least the special tokens and 256 bytes
  int64_t minFrequency = 2;   ///< a pair that is found less often is not merged
  std::vector<std::string> specialTokens;
};

/// What training learns: special tokens, then the 256 bytes, then one token a merge.
struct BytePairVocabulary {
  std::vector<std::string> tokens;                   ///< by id; bytes as their visible characters
  size_t specialTokens = 0;                          ///< ids 0 to `specialTokens` - 1
  std::vector<std::pair<uint32_t, uint32_t>> merges; ///< ids of the parts, by rank
};

/// Learns byte-level BPE (Sennrich et al., 2016; Radford et al., 2019): of all pairs of neighbours in words,
/// the most frequent one becomes a token, again and again; of equally frequent pairs, the one with the
/// smaller ids. Merges and ids are those of trainers.BpeTrainer of the `tokenizers` library. Memory grows
/// with distinct words, not with the texts.
class BpeTrainer {
public:
  /// Fails if the vocabulary is too small, or a special token is empty, not UTF-8, given twice or a byte.
  static absl::StatusOr<BpeTrainer> create(BpeTrainerOptions options);

  /// Counts the words of `text`, as GPT-2's pattern cuts it. Broken UTF-8 counts as U+FFFD.
  absl::Status addText(absl::string_view text);

  size_t distinctWords() const { return words.size(); }

  /// Learns merges, and forgets the words. The vocabulary is smaller than asked for where no more pairs are
  /// as frequent as `minFrequency`. `progress` is told how many tokens there are.
  BytePairVocabulary train(absl::FunctionRef<void(int64_t)> progress) &&;

private:
  BpeTrainer(BpeTrainerOptions options, text::PreTokenizer preTokenizer)
      : options(std::move(options)), preTokenizer(std::move(preTokenizer)) {}

  BpeTrainerOptions options;
  text::PreTokenizer preTokenizer;
  text::Pieces pieces;
  absl::flat_hash_map<std::string, int64_t> words; ///< how often each is found
};

} // namespace llmc::tokenizer

#endif // LLMC_TOKENIZER_BPETRAINER_H
