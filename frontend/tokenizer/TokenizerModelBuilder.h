//===- TokenizerModelBuilder.h - what the importers share -----------------===//

#ifndef LLMC_TOKENIZER_TOKENIZER_MODEL_BUILDER_H
#define LLMC_TOKENIZER_TOKENIZER_MODEL_BUILDER_H

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"

#include "runtime/text/tokenizer.pb.h"

namespace llmc::tokenizer {

/// Ids by the text of tokens while a model is imported.
class TokenIds {
public:
  /// `texts[id]` is the token of each id; empty where there is none. Of two tokens with one text the first
  /// counts.
  explicit TokenIds(std::vector<std::string> texts);

  size_t size() const { return texts.size(); }
  const std::string &text(uint32_t id) const { return texts[id]; }
  std::optional<uint32_t> find(absl::string_view text) const;

  /// Writes the vocabulary.
  void store(text::Vocabulary &vocabulary) const;

private:
  std::vector<std::string> texts;
  absl::flat_hash_map<absl::string_view, uint32_t> idOf;
};

/// Appends the merge of the tokens `left` and `right`. Fails, naming the missing token, if one of the two or
/// what they become is not in the vocabulary. `continuingPrefix`: what `right` loses when it joins.
absl::Status addMerge(absl::string_view left, absl::string_view right, absl::string_view continuingPrefix,
                      const TokenIds &ids, text::BytePairEncodingModel &model);

/// Appends the ids of tokens that, by their names, end a generation, and are not among the stop ids yet.
void addKnownStopIds(text::TokenizerModel &model);

/// Lets each text begin and end with the tokens of these roles, where the model has them.
void setBosAndEos(bool bos, bool eos, text::TokenizerModel &model);

/// Adds `id` to the stop ids unless it is there.
void addStopId(uint32_t id, text::TokenizerModel &model);

/// Takes `source`, which stands at `place`, as the chat template. Refuses one that is no UTF-8 or cannot be
/// parsed.
absl::Status setChatTemplate(absl::string_view source, absl::string_view place, text::TokenizerModel &model);

} // namespace llmc::tokenizer

#endif
