//===- DefineEncoder.cpp - an encoder as a model definition, and back ---------------------------------===//

#include "absl/strings/str_cat.h"
#include "frontend/import/DefineLayers.h"
#include "frontend/import/Encoder.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::frontend;

namespace {

constexpr std::pair<HeadTask, spec::Head::Kind> kTasks[] = {
    {HeadTask::MaskedTokens, spec::Head::MASKED_TOKENS},
    {HeadTask::SequenceClassification, spec::Head::SEQUENCE_CLASSIFICATION},
    {HeadTask::TokenClassification, spec::Head::TOKEN_CLASSIFICATION},
    {HeadTask::QuestionAnswering, spec::Head::QUESTION_ANSWERING}};

constexpr std::pair<Head::Problem, spec::Head::Problem> kProblems[] = {
    {Head::Problem::SingleLabel, spec::Head::SINGLE_LABEL},
    {Head::Problem::MultiLabel, spec::Head::MULTI_LABEL},
    {Head::Problem::Regression, spec::Head::REGRESSION}};

void defineHead(const EncoderHead &head, spec::Head &defined) {
  const HeadTask task = head.description.task;
  for (auto [known, kind] : kTasks)
    if (known == task)
      defined.set_kind(kind);
  if (task == HeadTask::SequenceClassification || task == HeadTask::TokenClassification)
    defined.mutable_labels()->Assign(head.description.labels.begin(), head.description.labels.end());
  if (task != HeadTask::SequenceClassification)
    return;
  for (auto [known, problem] : kProblems)
    if (known == head.description.problem)
      defined.set_problem(problem);
}

} // namespace

spec::ModelDefinition llmc::frontend::defineEncoder(const Encoder &encoder, const EncoderHead *head) {
  spec::ModelDefinition model;
  model.set_family(encoder.family);
  model.set_vocabulary(encoder.vocabulary.value);
  model.set_context(encoder.positions.value - encoder.firstPosition);
  model.set_width(encoder.hidden.value);
  model.set_layers(encoder.layers.value);
  defineAttention(encoder.attention, encoder.hidden.value / encoder.attention.heads,
                  *model.mutable_attention());
  model.mutable_attention()->set_bias(true);
  model.mutable_mlp()->set_kind(defineMlp(encoder.activation, /*gated=*/false));
  model.mutable_mlp()->set_inner(encoder.intermediate.value);
  model.mutable_mlp()->set_bias(true);
  model.mutable_norm()->set_kind(spec::Norm::LAYER);
  model.mutable_norm()->set_epsilon(encoder.epsilon);
  model.mutable_norm()->set_placement(spec::Norm::AFTER);
  model.mutable_positions()->set_kind(spec::Positions::LEARNED);
  model.mutable_positions()->set_first(encoder.firstPosition);
  if (encoder.segments)
    model.mutable_embedding()->set_segments(encoder.segments->value);
  if (head)
    defineHead(*head, *model.mutable_head());
  else
    model.mutable_head()->set_kind(spec::Head::NONE);
  model.set_tied(head && head->description.task == HeadTask::MaskedTokens && head->tied);
  return model;
}

Encoder llmc::frontend::encoderOf(const spec::ModelDefinition &model, const EncoderNames &names) {
  Encoder encoder;
  encoder.family = model.family();
  encoder.names = names;
  encoder.layers = sizeOf(model.layers(), "layers");
  encoder.vocabulary = sizeOf(model.vocabulary(), "vocabulary");
  encoder.positions = {int64_t{model.context()} + model.positions().first(), "(context + positions.first)"};
  encoder.firstPosition = model.positions().first();
  encoder.hidden = sizeOf(model.width(), "width");
  encoder.intermediate = sizeOf(model.mlp().inner(), "mlp.inner");
  if (model.embedding().segments() != 0)
    encoder.segments = sizeOf(model.embedding().segments(), "embedding.segments");
  encoder.epsilon = model.norm().epsilon();
  encoder.attention = attentionOf(model.attention(), /*causal=*/false);
  encoder.activation = activationOf(model.mlp().kind());
  return encoder;
}

EncoderHead llmc::frontend::encoderHeadOf(const spec::ModelDefinition &model) {
  const spec::Head &defined = model.head();
  EncoderHead head;
  head.description.tokenTypes = model.embedding().segments();
  head.description.labels.assign(defined.labels().begin(), defined.labels().end());
  for (auto [task, kind] : kTasks)
    if (kind == defined.kind())
      head.description.task = task;
  for (auto [problem, known] : kProblems)
    if (known == defined.problem())
      head.description.problem = problem;
  switch (head.description.task) {
  case HeadTask::MaskedTokens:
    head.tied = model.tied();
    head.outputs = sizeOf(model.vocabulary(), "vocabulary");
    break;
  case HeadTask::QuestionAnswering:
    head.description.labels = {"start", "end"};
    head.outputs = {2, "2"};
    break;
  case HeadTask::SequenceClassification:
  case HeadTask::TokenClassification:
    head.outputs = {static_cast<int64_t>(head.description.labels.size()), "head.labels"};
    break;
  }
  return head;
}

Description llmc::frontend::describeEncoder(const Encoder &encoder, const EncoderHead *head, const char *name,
                                            const char *modelType) {
  const EncoderNames &names = encoder.names;
  Description description;
  description.huggingFaceArchitecture = absl::StrCat(name, "Model");
  if (head)
    description.huggingFaceArchitecture =
        architectureWithHead(description.huggingFaceArchitecture, head->description.task);
  description.modelType = modelType;
  description.add({"vocab_size", ""}, encoder.vocabulary.value);
  description.add({"max_position_embeddings", ""}, encoder.positions.value);
  auto add = [&](Name field, Field value) {
    if (*field.huggingFace)
      description.add({field.huggingFace, ""}, std::move(value));
  };
  add(names.layers, encoder.layers.value);
  add(names.hidden, encoder.hidden.value);
  add(names.intermediate, encoder.intermediate.value);
  add(names.heads, encoder.attention.heads);
  add(names.epsilon, encoder.epsilon);
  add(names.activation, nameOf(encoder.activation));
  if (encoder.segments)
    add(names.segments, encoder.segments->value);
  // Positions are counted from it.
  if (encoder.firstPosition > 0)
    description.add({"pad_token_id", ""}, encoder.firstPosition - 1);
  if (head && head->description.task == HeadTask::MaskedTokens)
    description.add({"tie_word_embeddings", ""}, head->tied);
  return description;
}
