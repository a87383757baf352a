#include "frontend/tokenizer/TokenizerJsonWriter.h"

#include "absl/strings/str_cat.h"

#include <nlohmann/json.hpp>

namespace llmc::tokenizer {

namespace {

using Json = nlohmann::ordered_json;

/// The step of this name, wherever it stands: it cuts words, trims the offsets of tokens, and joins bytes.
Json byteLevel() {
  return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
}

Json addedTokens(const BytePairVocabulary &vocabulary) {
  Json tokens = Json::array();
  for (size_t id = 0; id < vocabulary.specialTokens; ++id)
    tokens.push_back({{"id", id},
                      {"content", vocabulary.tokens[id]},
                      {"single_word", false},
                      {"lstrip", false},
                      {"rstrip", false},
                      {"normalized", false},
                      {"special", true}});
  return tokens;
}

Json model(const BytePairVocabulary &vocabulary) {
  Json ids = Json::object();
  // Appended, because this kind of object would look through all keys for each new one. No two are equal.
  auto &entries = ids.get_ref<Json::object_t &>();
  for (size_t id = 0; id < vocabulary.tokens.size(); ++id)
    entries.emplace_back(vocabulary.tokens[id], id);
  Json merges = Json::array();
  for (auto [left, right] : vocabulary.merges)
    merges.push_back(absl::StrCat(vocabulary.tokens[left], " ", vocabulary.tokens[right]));
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", nullptr},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", false},
          {"byte_fallback", false},
          {"ignore_merges", false},
          {"vocab", std::move(ids)},
          {"merges", std::move(merges)}};
}

std::string textOf(const Json &json) { return json.dump(2) + "\n"; }

} // namespace

std::string tokenizerJson(const BytePairVocabulary &vocabulary) {
  return textOf({{"version", "1.0"},
                 {"truncation", nullptr},
                 {"padding", nullptr},
                 {"added_tokens", addedTokens(vocabulary)},
                 {"normalizer", nullptr},
                 {"pre_tokenizer", byteLevel()},
                 {"post_processor", byteLevel()},
                 {"decoder", byteLevel()},
                 {"model", model(vocabulary)}});
}

std::string tokenizerConfigJson(const BytePairVocabulary &vocabulary) {
  Json config = {{"tokenizer_class", "PreTrainedTokenizerFast"}, {"clean_up_tokenization_spaces", false}};
  if (vocabulary.specialTokens > 0)
    config["eos_token"] = vocabulary.tokens[0];
  return textOf(config);
}

} // namespace llmc::tokenizer
