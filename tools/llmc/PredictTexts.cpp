//===- PredictTexts.cpp - what a model with a head says of texts ----------------------------------------===//
#include "tools/llmc/PredictTexts.h"
#include "tools/llmc/Json.h"
#include "tools/llmc/TextInputs.h"

#include "runtime/core/Generator.h"
#include "runtime/io/Message.h"
#include "runtime/predict/Predictions.h"
#include "runtime/text/Unicode.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"

#include <algorithm>
#include <chrono>
#include <numeric>

namespace llmc::tool {

namespace {

using runtime::Head;
using text::PlacedToken;

/// Places in a text are told in characters, as transformers does.
size_t charactersOf(absl::string_view text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

/// The fields of a part of a text.
Json describePart(absl::string_view text, text::ByteRange part) {
  return {{"start", charactersOf(text.substr(0, part.begin))},
          {"end", charactersOf(text.substr(0, part.end))},
          {"text", text.substr(part.begin, part.end - part.begin)}};
}

/// Removes tokens from the end of whichever text is the longest until all fit.
void truncate(std::vector<PlacedToken> &tokens, size_t limit) {
  while (tokens.size() > limit) {
    size_t counts[2] = {}, last[2] = {};
    for (size_t i = 0; i < tokens.size(); ++i)
      if (const int32_t which = tokens[i].text; which >= 0) {
        ++counts[which];
        last[which] = i;
      }
    const int longest = counts[1] > counts[0] ? 1 : 0;
    if (counts[longest] == 0)
      return;
    tokens.erase(tokens.begin() + last[longest]);
  }
}

/// Says what one model thinks of one text after the other, as JSON.
class Predictor {
public:
  Predictor(const PredictOptions &options, const PredictingModel &model, HeadEngine engine)
      : options(options), model(model), engine(engine) {}

  absl::Status checkOptions() const {
    const Head::Task task = model.head.task();
    const std::tuple<bool, Head::Task, absl::string_view> given[] = {
        {options.question.has_value(), Head::QUESTION_ANSWERING,
         "--question: the model answers no questions"},
        {options.noAnswer, Head::QUESTION_ANSWERING, "--no-answer: the model answers no questions"},
        {options.tokens, Head::TOKEN_CLASSIFICATION, "--tokens: the model labels no tokens"},
        {options.pairs, Head::SEQUENCE_CLASSIFICATION, "--pairs: the model labels no texts"}};
    for (auto [used, wanted, message] : given)
      if (used && task != wanted)
        return absl::InvalidArgumentError(message);
    return absl::OkStatus();
  }

  absl::StatusOr<Json> predict(const std::string &given) {
    const std::string text = text::isValidUtf8(given) ? given : text::replaceInvalidUtf8(given);
    absl::StatusOr<std::vector<absl::string_view>> texts = partsOf(text);
    if (!texts.ok())
      return texts.status();
    absl::StatusOr<std::vector<PlacedToken>> placed = model.tokenizer.place(*texts);
    if (!placed.ok())
      return placed.status();
    tokens = *std::move(placed);
    if (tokens.empty())
      return absl::InvalidArgumentError("has no tokens");
    const size_t limit = model.contextLength;
    if (tokens.size() > limit && options.truncate)
      truncate(tokens, limit);
    if (tokens.size() > limit)
      return absl::OutOfRangeError(absl::StrCat("has ", tokens.size(), " tokens, expected at most ", limit,
                                                "; --truncate cuts texts to that"));
    Json result = {{"tokens", tokens.size()}};
    absl::Status status = predictOf(*texts, result);
    return status.ok() ? absl::StatusOr<Json>(std::move(result)) : status;
  }

private:
  /// The texts that go into the model together.
  absl::StatusOr<std::vector<absl::string_view>> partsOf(const std::string &text) const {
    const bool answers = model.head.task() == Head::QUESTION_ANSWERING;
    if (answers && options.question)
      return std::vector<absl::string_view>{*options.question, text};
    if (!answers && !options.pairs)
      return std::vector<absl::string_view>{text};
    std::vector<absl::string_view> parts = absl::StrSplit(text, absl::MaxSplits('\t', 1));
    if (parts.size() != 2)
      return absl::InvalidArgumentError(answers ? "has no tab, expected a question, a tab and a passage; or "
                                                  "give the question with --question"
                                                : "has no tab, expected one between two texts");
    return parts;
  }

  absl::StatusOr<absl::Span<const float>> compute(absl::Span<const int32_t> wanted) {
    std::vector<int32_t> ids, types;
    for (const PlacedToken &token : tokens) {
      ids.push_back(token.id);
      types.push_back(token.type);
    }
    return engine(ids, model.head.token_types() > 0 ? types : std::vector<int32_t>(), wanted);
  }

  absl::StatusOr<absl::Span<const float>> computeAll() {
    std::vector<int32_t> all(tokens.size());
    std::iota(all.begin(), all.end(), 0);
    return compute(all);
  }

  absl::Status predictOf(const std::vector<absl::string_view> &texts, Json &result) {
    switch (model.head.task()) {
    case Head::MASKED_TOKENS:
      return fillMasks(texts[0], result);
    case Head::SEQUENCE_CLASSIFICATION:
      return labelText(result);
    case Head::TOKEN_CLASSIFICATION:
      return findEntities(texts[0], result);
    case Head::QUESTION_ANSWERING:
      return answer(texts[1], result);
    default:
      return absl::InternalError("a head of unknown kind");
    }
  }

  absl::Status labelText(Json &result) {
    absl::StatusOr<absl::Span<const float>> outputs = compute({0});
    if (!outputs.ok())
      return outputs.status();
    Json &labels = result["labels"] = Json::array();
    for (const predict::LabelScore &label : predict::scoreLabels(model.head, *outputs))
      labels.push_back({{"label", label.label}, {"score", label.score}, {"output", label.output}});
    return absl::OkStatus();
  }

  absl::Status findEntities(absl::string_view text, Json &result) {
    absl::StatusOr<absl::Span<const float>> outputs = computeAll();
    if (!outputs.ok())
      return outputs.status();
    std::vector<predict::Entity> found = predict::labelTokens(model.head, tokens, *outputs);
    if (!options.tokens)
      found = predict::mergeTokens(found);
    Json &entities = result["entities"] = Json::array();
    for (const predict::Entity &entity : found) {
      Json &added = entities.emplace_back(Json{{"label", entity.label}, {"score", entity.score}});
      added.update(describePart(text, entity.text));
    }
    return absl::OkStatus();
  }

  absl::Status fillMasks(absl::string_view text, Json &result) {
    const std::optional<int32_t> mask = model.tokenizer.maskId();
    if (!mask)
      return absl::FailedPreconditionError("cannot have gaps: the tokenizer has no token for them");
    std::vector<int32_t> ids, places;
    for (const PlacedToken &token : tokens) {
      if (token.id == *mask)
        places.push_back(static_cast<int32_t>(ids.size()));
      ids.push_back(token.id);
    }
    if (places.empty())
      return absl::InvalidArgumentError(
          absl::StrCat("has no gap to fill, expected ", model.tokenizer.tokenText(*mask)));
    absl::StatusOr<absl::Span<const float>> outputs = compute(places);
    if (!outputs.ok())
      return outputs.status();
    const size_t width = outputs->size() / places.size();
    Json &gaps = result["gaps"] = Json::array();
    for (size_t i = 0; i < places.size(); ++i) {
      Json &gap = gaps.emplace_back(describePart(text, tokens[places[i]].bytes));
      Json &candidates = gap["candidates"] = Json::array();
      for (const predict::TokenScore &token : predict::likeliestTokens(
               outputs->subspan(i * width, model.vocabularySize), options.topK > 0 ? options.topK : 5)) {
        std::vector<int32_t> filled = ids;
        filled[places[i]] = token.id;
        candidates.push_back({{"token", model.tokenizer.tokenText(token.id)},
                              {"id", token.id},
                              {"score", token.score},
                              {"text", model.tokenizer.decode(filled)}});
      }
    }
    return absl::OkStatus();
  }

  absl::Status answer(absl::string_view passage, Json &result) {
    absl::StatusOr<absl::Span<const float>> outputs = computeAll();
    if (!outputs.ok())
      return outputs.status();
    const predict::Answers answers =
        predict::findAnswers(tokens, *outputs, options.topK > 0 ? options.topK : 1, options.maxAnswerTokens);
    Json &list = result["answers"] = Json::array();
    for (const predict::Answer &found : answers.best)
      list.emplace_back(Json{{"score", found.score}}).update(describePart(passage, found.text));
    result["no_answer_score"] = answers.none;
    return absl::OkStatus();
  }

  const PredictOptions &options;
  const PredictingModel &model;
  HeadEngine engine;
  std::vector<PlacedToken> tokens; ///< of the text at hand
};

void printLabels(const PredictOptions &options, const Head &head, const Json &labels) {
  size_t count = options.topK > 0 ? options.topK : head.problem() == Head::SINGLE_LABEL ? 1 : labels.size();
  const char *separator = "";
  for (const Json &label : labels) {
    const double score = label["score"];
    if (count-- == 0)
      break;
    if (head.problem() == Head::MULTI_LABEL && options.topK == 0 && score < options.threshold)
      break;
    absl::PrintF("%s%s\t%.6g", separator, label["label"].get<std::string>(), score);
    separator = "\t";
  }
  absl::PrintF("\n");
}

void printAnswers(const PredictOptions &options, const Json &result) {
  const double none = result["no_answer_score"];
  if (options.noAnswer && (result["answers"].empty() || none > result["answers"][0]["score"]))
    absl::PrintF("%.6g\t\n", none);
  for (const Json &answer : result["answers"])
    absl::PrintF("%.6g\t%s\n", answer["score"].get<double>(), answer["text"].get<std::string>());
}

/// Lines for people and for tools that read columns.
void printPlain(const PredictOptions &options, const Head &head, const Json &result) {
  if (result.contains("labels"))
    printLabels(options, head, result["labels"]);
  if (result.contains("answers"))
    printAnswers(options, result);
  if (result.contains("entities"))
    for (const Json &entity : result["entities"])
      absl::PrintF("%d\t%d\t%s\t%.6g\t%s\n", entity["start"].get<int64_t>(), entity["end"].get<int64_t>(),
                   entity["label"].get<std::string>(), entity["score"].get<double>(),
                   entity["text"].get<std::string>());
  if (result.contains("gaps"))
    for (const Json &gap : result["gaps"])
      for (const Json &candidate : gap["candidates"])
        absl::PrintF("%.6g\t%s\t%s\n", candidate["score"].get<double>(),
                     candidate["token"].get<std::string>(), candidate["text"].get<std::string>());
}

const char *nameOf(Head::Task task) {
  return task == Head::MASKED_TOKENS             ? "masked tokens"
         : task == Head::SEQUENCE_CLASSIFICATION ? "sequence classification"
         : task == Head::TOKEN_CLASSIFICATION    ? "token classification"
                                                 : "question answering";
}

} // namespace

ExitCode predictTexts(const PredictOptions &options, const PredictingModel &model, HeadEngine engine) {
  const std::vector<std::string> texts = textsOrLines(options.texts);
  if (texts.empty())
    return failUsage(
        "predict: no text was given, neither on the command line nor on the standard input stream");
  Predictor predictor(options, model, engine);
  if (absl::Status status = predictor.checkOptions(); !status.ok())
    return fail(status, ExitCode::Usage);

  auto start = std::chrono::steady_clock::now();
  Json predictions = Json::array();
  int64_t tokens = 0;
  const bool isOneLine = model.head.task() == Head::SEQUENCE_CLASSIFICATION;
  for (size_t i = 0; i < texts.size(); ++i) {
    absl::StatusOr<Json> prediction = predictor.predict(texts[i]);
    if (!prediction.ok())
      return fail(io::withContext(absl::StrCat("text ", i + 1), prediction.status()));
    tokens += (*prediction)["tokens"].get<int64_t>();
    if (options.json) {
      predictions.push_back(*std::move(prediction));
      continue;
    }
    if (i > 0 && !isOneLine)
      absl::PrintF("\n");
    printPlain(options, model.head, *prediction);
  }
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (options.json)
    printJson({{"model", options.model.path},
               {"task", nameOf(model.head.task())},
               {"predictions", std::move(predictions)},
               {"load_seconds", model.loadSeconds},
               {"tokens_per_second", tokens / seconds},
               {"peak_memory_bytes", runtime::peakResidentBytes()}});
  absl::FPrintF(stderr, "%d texts, %d tokens, %.1f tokens/s; loaded in %.3f s; peak memory %d MiB\n",
                texts.size(), tokens, tokens / seconds, model.loadSeconds,
                runtime::peakResidentBytes() >> 20);
  return ExitCode::Success;
}

} // namespace llmc::tool
