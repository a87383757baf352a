//===- EncoderHead.cpp - what encoders were trained to predict ---------------------------------------===//
//
// Devlin et al., 2019: masked tokens, a label for a sequence, a label for each token, and the span of an
// answer.
//
//===------------------------------------------------------------------------------------------------===//

#include "frontend/import/EncoderHead.h"
#include "absl/strings/str_cat.h"
#include "frontend/import/Encoder.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::frontend;

namespace {

/// How architectures with a head end. Of those of one task the first is what new ones are called.
constexpr std::pair<StringLiteral, HeadTask> kTasks[] = {
    {"ForMaskedLM", HeadTask::MaskedTokens},
    {"ForPreTraining", HeadTask::MaskedTokens},
    {"ForSequenceClassification", HeadTask::SequenceClassification},
    {"ForTokenClassification", HeadTask::TokenClassification},
    {"ForQuestionAnswering", HeadTask::QuestionAnswering}};

constexpr Name kLabels = {"id2label", ""}, kLabelCount = {"num_labels", ""};

/// The labels by their numbers. Files that do not say have two without a name.
void readLabels(Hyperparameters &fields, EncoderHead &head) {
  constexpr int64_t missing = 2;
  std::vector<std::string> &labels = head.description.labels;
  if (!fields.has(kLabels)) {
    const Size count = fields.sizeOr(kLabelCount, {missing, fields.nameOf(kLabelCount)});
    for (int64_t i = 0; i < count.value; ++i)
      labels.push_back(absl::StrCat("LABEL_", i));
    head.outputs = count;
    return;
  }
  for (;;) {
    const std::string key = absl::StrCat(kLabels.huggingFace, ".", labels.size());
    if (!fields.has({key.c_str(), ""}))
      break;
    labels.push_back(fields.textOr({key.c_str(), ""}, ""));
  }
  head.outputs = {static_cast<int64_t>(labels.size()), "labels of id2label"};
  if (labels.empty())
    fields.fail(kLabels, "has no label '0', expected the names of labels by their numbers, from 0 on");
  fields.expect(kLabelCount, {head.outputs.value});
}

/// As transformers decides on the activation behind the logits.
Head::Problem readProblem(Hyperparameters &fields, const EncoderHead &head) {
  constexpr Name problem = {"problem_type", ""};
  const std::string single = "single_label_classification", multi = "multi_label_classification",
                    regression = "regression";
  fields.expect(problem, {single, multi, regression});
  const std::string found = fields.ok() ? fields.textOr(problem, "") : "";
  if (found == regression)
    return Head::Problem::Regression;
  return found == multi || head.outputs.value == 1 ? Head::Problem::MultiLabel : Head::Problem::SingleLabel;
}

Value buildMaskedTokens(GraphBuilder &graph, Value x, const Encoder &encoder, const EncoderHeadNames &names,
                        const EncoderHead &head) {
  const Size &hidden = encoder.hidden;
  x = graph.linear(x, names.tokenDense + ".weight", names.tokenDense + ".bias", hidden, hidden);
  x = graph.activate(x, names.tokenActivation.value_or(encoder.activation));
  x = graph.layerNorm(x, {names.tokenNorm.c_str(), ""}, hidden, encoder.epsilon);
  const std::string decoder = names.tokenDecoder + ".weight";
  if (!head.tied)
    return graph.linear(x, decoder, names.tokenDecoder + ".bias", encoder.vocabulary, hidden);
  graph.ignoreTensors({decoder});
  if (names.tokenBias != names.tokenDecoder + ".bias")
    graph.ignoreTensors({names.tokenDecoder + ".bias"});
  return graph.linear(x, std::string(encoder.names.member) + "embeddings.word_embeddings.weight",
                      names.tokenBias, encoder.vocabulary, hidden);
}

Value buildSequenceClassifier(GraphBuilder &graph, Value x, const Encoder &encoder,
                              const EncoderHeadNames &names, const EncoderHead &head) {
  x = graph.linear(x, {names.pooler.c_str(), ""}, encoder.hidden, encoder.hidden, Bias::Yes);
  x = names.poolerActivation == PoolerActivation::Tanh ? graph.tanh(x) : graph.activate(x, Activation::Relu);
  return graph.linear(x, {names.sequenceClassifier.c_str(), ""}, head.outputs, encoder.hidden, Bias::Yes);
}

} // namespace

std::optional<HeadTask> llmc::frontend::headTaskOf(StringRef architecture) {
  for (const auto &[ending, task] : kTasks)
    if (architecture.ends_with(ending))
      return task;
  return std::nullopt;
}

std::string llmc::frontend::architectureWithHead(StringRef architecture, HeadTask task) {
  StringRef family = architecture.take_front(architecture.find("For"));
  family.consume_back("Model");
  for (const auto &[ending, known] : kTasks)
    if (known == task)
      return (family + ending).str();
  llvm_unreachable("not a task");
}

EncoderHead llmc::frontend::readEncoderHead(Hyperparameters &fields, const Encoder &encoder,
                                            const HeadChoice &choice) {
  EncoderHead head;
  head.description.task = choice.task;
  head.description.tokenTypes = encoder.segments ? encoder.segments->value : 0;
  if (choice.toTrain && choice.task != HeadTask::MaskedTokens) {
    head.description.labels = choice.labels;
    head.description.problem = choice.problem;
    head.outputs = {static_cast<int64_t>(choice.labels.size()), "labels to train"};
    return head;
  }
  switch (choice.task) {
  case HeadTask::MaskedTokens:
    head.tied = fields.flagOr({"tie_word_embeddings", ""}, true);
    head.outputs = encoder.vocabulary;
    break;
  case HeadTask::SequenceClassification:
    readLabels(fields, head);
    head.description.problem = readProblem(fields, head);
    break;
  case HeadTask::TokenClassification:
    readLabels(fields, head);
    break;
  case HeadTask::QuestionAnswering:
    head.description.labels = {"start", "end"};
    head.outputs = {2, "2"};
    break;
  }
  return head;
}

Value llmc::frontend::buildEncoderHead(GraphBuilder &graph, Value rows, const Encoder &encoder,
                                       const EncoderHeadNames &names, const EncoderHead &head) {
  auto oneProduct = [&](const std::string &name) {
    return graph.linear(rows, {name.c_str(), ""}, head.outputs, encoder.hidden, Bias::Yes);
  };
  switch (head.description.task) {
  case HeadTask::MaskedTokens:
    // BERT was trained to tell whether sentences follow each other, too.
    graph.ignoreTensors({"cls.seq_relationship.*"});
    return buildMaskedTokens(graph, rows, encoder, names, head);
  case HeadTask::SequenceClassification:
    return buildSequenceClassifier(graph, rows, encoder, names, head);
  case HeadTask::TokenClassification:
    return oneProduct(names.tokenClassifier);
  case HeadTask::QuestionAnswering:
    return oneProduct(names.answers);
  }
  llvm_unreachable("not a task");
}
