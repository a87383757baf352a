#include "frontend/hf/SentenceEmbedding.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "frontend/json/Parse.h"
#include "runtime/io/Message.h"

namespace llmc::hf {

static constexpr absl::string_view modulesName = "modules.json";

/// Field of 1_Pooling/config.json, the value of `pooling_mode` that newer versions write instead, and the
/// pooling, if it is supported.
struct PoolingMode {
  absl::string_view field;
  absl::string_view name;
  std::optional<Pooling> pooling;
};

static constexpr PoolingMode poolingModes[] = {
    {"pooling_mode_cls_token", "cls", Pooling::FirstToken},
    {"pooling_mode_mean_tokens", "mean", Pooling::Mean},
    {"pooling_mode_max_tokens", "max", Pooling::Max},
    {"pooling_mode_lasttoken", "lasttoken", Pooling::LastToken},
    {"pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens", {}},
    {"pooling_mode_weightedmean_tokens", "weightedmean", Pooling::WeightedMean},
};

/// The files that may hold `max_seq_length`, by the base model of the sentence model.
static constexpr absl::string_view transformerNames[] = {
    "sentence_bert_config.json",      "sentence_roberta_config.json", "sentence_distilbert_config.json",
    "sentence_camembert_config.json", "sentence_albert_config.json",  "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
};

static absl::StatusOr<Pooling> readPooling(const Directory &directory, absl::string_view folder) {
  absl::StatusOr<json::Object> file = directory.readNeededObject(absl::StrCat(folder, "/config.json"));
  if (!file.ok())
    return file.status();
  std::vector<const PoolingMode *> chosen;
  if (file->has("pooling_mode")) {
    absl::StatusOr<std::string> mode = file->string("pooling_mode");
    if (!mode.ok())
      return mode.status();
    for (const PoolingMode &candidate : poolingModes)
      if (candidate.name == *mode)
        chosen.push_back(&candidate);
    if (chosen.empty())
      return file->wrong("pooling_mode", "cls, mean, max, lasttoken or weightedmean");
  } else {
    for (const PoolingMode &candidate : poolingModes) {
      // The library takes the mean unless the file says otherwise.
      absl::StatusOr<bool> on = file->booleanOr(candidate.field, candidate.pooling == Pooling::Mean);
      if (!on.ok())
        return on.status();
      if (*on)
        chosen.push_back(&candidate);
    }
  }
  if (chosen.size() != 1)
    return absl::UnimplementedError(absl::StrCat(file->file(), ": ", chosen.size(),
                                                 " poolings are switched on, supported is exactly one"));
  if (!chosen[0]->pooling)
    return absl::UnimplementedError(absl::StrCat(file->file(), ": pooling '", chosen[0]->name,
                                                 "' is not supported; supported are cls, mean, max, "
                                                 "lasttoken and weightedmean"));
  return *chosen[0]->pooling;
}

/// The number of tokens to which the library cuts sentences: its own setting, or else what model and
/// tokenizer allow.
static absl::Status readLimits(const Directory &directory, SentenceEmbedding &embedding) {
  for (absl::string_view name : transformerNames) {
    absl::StatusOr<std::optional<json::Object>> file = directory.readObject(name);
    if (!file.ok())
      return file.status();
    if (!*file)
      continue;
    absl::StatusOr<bool> lowercase = (*file)->booleanOr("do_lower_case", false);
    if (!lowercase.ok())
      return lowercase.status();
    embedding.lowercase = *lowercase;
    if ((*file)->has("max_seq_length")) {
      absl::StatusOr<int64_t> limit = (*file)->positive("max_seq_length");
      if (!limit.ok())
        return limit.status();
      embedding.maxTokens = *limit;
      return absl::OkStatus();
    }
    break;
  }
  // `model_max_length` may be a number like 1e30 that means "no limit", which is no integer.
  if (directory.config().has("max_position_embeddings")) {
    absl::StatusOr<int64_t> positions = directory.config().positive("max_position_embeddings");
    if (!positions.ok())
      return positions.status();
    embedding.maxTokens = *positions;
    if (directory.tokenizerConfig())
      if (absl::StatusOr<double> limit = directory.tokenizerConfig()->number("model_max_length");
          limit.ok() && *limit >= 1 && *limit < static_cast<double>(*positions))
        embedding.maxTokens = static_cast<int64_t>(*limit);
  }
  return absl::OkStatus();
}

/// `sentence_transformers.models.Pooling` is "Pooling".
static absl::string_view kindOf(absl::string_view type) {
  size_t dot = type.rfind('.');
  return dot == absl::string_view::npos ? type : type.substr(dot + 1);
}

absl::StatusOr<std::optional<SentenceEmbedding>> readSentenceEmbedding(const Directory &directory) {
  std::optional<std::string> path = directory.find(modulesName);
  if (!path)
    return std::nullopt;
  absl::StatusOr<nlohmann::json> list = json::parseFile(*path);
  if (!list.ok())
    return list.status();
  if (!list->is_array())
    return absl::InvalidArgumentError(
        absl::StrCat(*path, ": expected an array, found ", json::describe(*list)));

  SentenceEmbedding embedding = {Pooling::Mean, false, std::nullopt, false};
  std::vector<std::string> kinds;
  for (size_t i = 0; i < list->size(); ++i) {
    absl::StatusOr<json::Object> module = json::Object::make(absl::StrCat(*path, ": module ", i), (*list)[i]);
    if (!module.ok())
      return module.status();
    absl::StatusOr<std::string> type = module->string("type");
    if (!type.ok())
      return type.status();
    absl::StatusOr<std::string> folder = module->stringOr("path", "");
    if (!folder.ok())
      return folder.status();
    kinds.push_back(std::string(kindOf(*type)));
    if (kinds.back() == "Transformer" && !folder->empty())
      return module->wrong("path", "an empty path, as the model lies in the directory itself");
    if (kinds.back() == "Normalize")
      embedding.normalize = true;
    if (kinds.back() != "Pooling")
      continue;
    if (folder->empty() || absl::StrContains(*folder, '/') || absl::StrContains(*folder, '\\') ||
        *folder == "..")
      return module->wrong("path", "the name of a folder in the same directory");
    absl::StatusOr<Pooling> pooling = readPooling(directory, *folder);
    if (!pooling.ok())
      return pooling.status();
    embedding.pooling = *pooling;
  }
  if (kinds != std::vector<std::string>{"Transformer", "Pooling"} &&
      kinds != std::vector<std::string>{"Transformer", "Pooling", "Normalize"})
    return absl::UnimplementedError(
        absl::StrCat(*path, ": modules ", io::quote(absl::StrJoin(kinds, ", ")),
                     " are not supported; supported are 'Transformer, Pooling' and "
                     "'Transformer, Pooling, Normalize'"));
  if (absl::Status status = readLimits(directory, embedding); !status.ok())
    return status;
  return std::optional(embedding);
}

} // namespace llmc::hf
