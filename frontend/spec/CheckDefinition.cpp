//===- CheckDefinition.cpp - definitions that make sense, filled in ----------------------------------===//

#include "frontend/spec/Checks.h"

#include "absl/strings/str_join.h"

#include <algorithm>
#include <cmath>

namespace llmc::spec {

namespace {

/// Shortens a pattern of so many layers to what it repeats.
void shorten(google::protobuf::RepeatedField<int> &pattern, uint32_t layers) {
  if (pattern.size() > static_cast<int64_t>(layers))
    pattern.Truncate(static_cast<int>(layers));
  const int64_t size = pattern.size();
  auto layer = [&](int64_t index) { return pattern.Get(static_cast<int>(index % size)); };
  auto repeats = [&](int64_t length) { // after `size` layers the comparison repeats, too
    for (int64_t i = length; i < std::min<int64_t>(layers, length + size); ++i)
      if (layer(i) != layer(i - length))
        return false;
    return true;
  };
  for (int64_t length = 1; length < size; ++length)
    if (repeats(length))
      return pattern.Truncate(static_cast<int>(length));
}

/// Fills a definition in, and keeps the first thing that is wrong with it.
class Completion : Checks {
public:
  Completion(ModelDefinition &model, const FamilyRules &rules) : Checks(rules), model(model) {}

  absl::Status complete() {
    checkKinds();
    checkFlags();
    completeAttention();
    completeMlp();
    completeNorm();
    error.Update(completePositions(model, rules));
    completeEmbedding();
    completeHead();
    completeDecoder();
    return error;
  }

private:
  //===--------------------------------------------------------------------===//
  // Kinds of blocks, and what they have or have not
  //===--------------------------------------------------------------------===//

  void checkKinds() {
    if (std::find(rules.mlps.begin(), rules.mlps.end(), model.mlp().kind()) == rules.mlps.end())
      fail("mlp.kind", Mlp::Kind_Name(model.mlp().kind()),
           ofFamily(absl::StrJoin(rules.mlps, " or ", [](std::string *out, Mlp::Kind kind) {
             out->append(Mlp::Kind_Name(kind));
           })));
    if (model.norm().kind() != rules.norm)
      fail("norm.kind", Norm::Kind_Name(model.norm().kind()), ofFamily(Norm::Kind_Name(rules.norm)));
    if (model.norm().placement() == Norm::PLACEMENT_UNSPECIFIED)
      model.mutable_norm()->set_placement(rules.placement);
    if (model.norm().placement() != rules.placement)
      fail("norm.placement", Norm::Placement_Name(model.norm().placement()),
           ofFamily(Norm::Placement_Name(rules.placement)));
    if (model.positions().kind() != rules.positions)
      fail("positions.kind", Positions::Kind_Name(model.positions().kind()),
           ofFamily(Positions::Kind_Name(rules.positions)));
  }

  void checkFlags() {
    Attention &attention = *model.mutable_attention();
    if (!attention.has_output_bias())
      attention.set_output_bias(attention.bias() && rules.outputBias != Has::Never);
    checkFlag("attention.bias", attention.bias(), rules.bias);
    checkFlag("attention.output_bias", attention.output_bias(), rules.outputBias);
    if (attention.bias() != attention.output_bias() && rules.bias == rules.outputBias &&
        model.family() != ModelDefinition::LLAMA)
      fail("attention.output_bias", attention.output_bias() ? "true" : "false",
           ofFamily(absl::StrCat("attention.bias (", attention.bias() ? "true" : "false", ")")));
    checkFlag("attention.head_norm", attention.head_norm(), rules.headNorm);
    checkFlag("mlp.bias", model.mlp().bias(), rules.mlpBias);
    checkFlag("embedding.scaled", model.embedding().scaled(), rules.scaledEmbeddings);
    checkFlag("head.scaled", model.head().scaled(), only(rules.positions == Positions::RELATIVE));
    checkFlag("head.bias", model.head().bias(), only(isBart()));
    checkFlag("tied", model.tied(), isBart() ? Has::Always : Has::Maybe);
  }
  bool isBart() const {
    return model.family() == ModelDefinition::BART || model.family() == ModelDefinition::MARIAN;
  }
  bool isMixtral() const { return model.family() == ModelDefinition::MIXTRAL; }

  //===--------------------------------------------------------------------===//
  // Blocks
  //===--------------------------------------------------------------------===//

  void completeAttention() {
    Attention &attention = *model.mutable_attention();
    checkSize("attention.heads", attention.heads());
    if (!error.ok())
      return;
    const uint32_t heads = attention.heads();
    if (attention.kv_heads() == 0)
      attention.set_kv_heads(heads);
    if (heads % attention.kv_heads() != 0)
      fail("attention.heads", absl::StrCat(heads),
           absl::StrCat("a multiple of attention.kv_heads (", attention.kv_heads(), ")"));
    if (attention.head_size() == 0) {
      if (model.width() % heads != 0)
        fail("width", absl::StrCat(model.width()),
             absl::StrCat("a multiple of attention.heads (", heads, ")"));
      attention.set_head_size(model.width() / heads);
    }
    checkSize("attention.head_size", attention.head_size());
    if (rules.norm == Norm::LAYER || rules.shape == Shape::EncoderDecoder)
      checkSame("attention.kv_heads", attention.kv_heads(), "attention.heads", heads);
    if (rules.norm == Norm::LAYER && uint64_t{attention.head_size()} * heads != model.width())
      fail("attention.head_size", absl::StrCat(attention.head_size()), ofFamily("width / attention.heads"));
    const double usual = rules.positions == Positions::RELATIVE ? 1 : 1 / std::sqrt(attention.head_size());
    if (attention.scale() == 0)
      attention.set_scale(usual);
    checkNumber("attention.scale", attention.scale(), kLeastFactor, kMostFactor);
    if (rules.ownScale == Has::Never && std::fabs(attention.scale() / usual - 1) > 1e-6)
      fail("attention.scale", absl::StrCat(attention.scale()), ofFamily(absl::StrCat(usual)));
    checkPart("attention.softcap", attention.softcap() != 0, rules.softcap);
    if (attention.softcap() != 0)
      checkNumber("attention.softcap", attention.softcap(), 1e-3, kMostFactor);
    completeWindow(attention);
  }

  void completeWindow(Attention &attention) {
    const bool isMistral = model.family() == ModelDefinition::MISTRAL;
    checkPart("attention.window", attention.window() != 0,
              isMistral ? Has::Always : only(rules.window != Window::Never));
    if (attention.window() != 0)
      checkSize("attention.window", attention.window());
    checkPart("attention.pattern", attention.pattern_size() > 0, only(rules.window == Window::SomeLayers));
    for (int layer : attention.pattern())
      if (layer != Attention::FULL && layer != Attention::WINDOWED)
        fail("attention.pattern", absl::StrCat(layer), "FULL or WINDOWED");
      else if (layer == Attention::WINDOWED && attention.window() == 0)
        fail("attention.window", "0", "a size for layers that are WINDOWED");
    if (attention.window() != 0 && attention.pattern().empty() && rules.window == Window::SomeLayers)
      attention.add_pattern(Attention::WINDOWED);
    if (attention.window() == 0)
      attention.clear_pattern();
    shorten(*attention.mutable_pattern(), model.layers());
  }

  void completeMlp() {
    checkSize("mlp.inner", model.mlp().inner());
    checkPart("mlp.experts", model.mlp().has_experts(), rules.experts);
    if (!model.mlp().has_experts())
      return;
    Experts &experts = *model.mutable_mlp()->mutable_experts();
    if (isMixtral() && experts.inner() == 0)
      experts.set_inner(model.mlp().inner());
    checkSize("mlp.experts.count", experts.count());
    checkSize("mlp.experts.inner", experts.inner());
    checkSize("mlp.experts.per_token", experts.per_token());
    if (experts.per_token() > experts.count())
      fail("mlp.experts.per_token", absl::StrCat(experts.per_token()),
           absl::StrCat("at most mlp.experts.count (", experts.count(), ")"));
    checkPart("mlp.experts.shared_inner", experts.shared_inner() != 0, rules.sharedExpert);
    if (experts.shared_inner() != 0)
      checkSize("mlp.experts.shared_inner", experts.shared_inner());
    checkPart("mlp.experts.pattern", experts.pattern_size() > 0, only(!isMixtral()));
    for (int layer : experts.pattern())
      if (layer != Experts::SPARSE && layer != Experts::DENSE)
        fail("mlp.experts.pattern", absl::StrCat(layer), "SPARSE or DENSE");
    shorten(*experts.mutable_pattern(), model.layers());
    if (experts.pattern_size() == 1 && experts.pattern(0) == Experts::SPARSE)
      experts.clear_pattern();
    if (!isMixtral())
      return;
    checkFlag("mlp.experts.renormalize", experts.renormalize(), Has::Always);
    checkSame("mlp.experts.inner", experts.inner(), "mlp.inner", model.mlp().inner());
  }

  void completeNorm() {
    Norm &norm = *model.mutable_norm();
    if (norm.epsilon() == 0)
      norm.set_epsilon(rules.epsilon);
    if (!(norm.epsilon() > 0 && norm.epsilon() <= 1))
      fail("norm.epsilon", absl::StrCat(norm.epsilon()), "a number above 0, at most 1");
    if (rules.ownEpsilon == Has::Never && norm.epsilon() != rules.epsilon)
      fail("norm.epsilon", absl::StrCat(norm.epsilon()), ofFamily(absl::StrCat(rules.epsilon)));
  }

  //===--------------------------------------------------------------------===//
  // Both ends
  //===--------------------------------------------------------------------===//

  void completeEmbedding() {
    checkPart("embedding.segments", model.embedding().segments() != 0, only(rules.segments != 0));
    if (rules.segments == 0) {
      if (!model.embedding().scaled())
        model.clear_embedding();
      return;
    }
    if (model.embedding().segments() == 0)
      model.mutable_embedding()->set_segments(rules.segments);
    checkSize("embedding.segments", model.embedding().segments());
  }

  void completeHead() {
    Head &head = *model.mutable_head();
    const bool isEncoder = rules.shape == Shape::Encoder;
    if (head.kind() == Head::KIND_UNSPECIFIED)
      head.set_kind(isEncoder ? Head::MASKED_TOKENS : Head::NEXT_TOKEN);
    if (!Head::Kind_IsValid(head.kind()))
      return fail("head.kind", absl::StrCat(static_cast<int>(head.kind())), "a kind by its name");
    if (!Head::Problem_IsValid(head.problem()))
      return fail("head.problem", absl::StrCat(static_cast<int>(head.problem())),
                  "SINGLE_LABEL, MULTI_LABEL or REGRESSION");
    const bool isOfEncoder = head.kind() != Head::NEXT_TOKEN && head.kind() != Head::NONE;
    if (isEncoder ? head.kind() == Head::NEXT_TOKEN
                  : isOfEncoder || (rules.shape == Shape::EncoderDecoder && head.kind() == Head::NONE))
      fail("head.kind", Head::Kind_Name(head.kind()),
           ofFamily(isEncoder                       ? "MASKED_TOKENS, a kind of labels or NONE"
                    : rules.shape == Shape::Decoder ? "NEXT_TOKEN or NONE"
                                                    : "NEXT_TOKEN"));
    const bool ofSequence = head.kind() == Head::SEQUENCE_CLASSIFICATION;
    checkLabels(head, ofSequence || head.kind() == Head::TOKEN_CLASSIFICATION);
    if (ofSequence && head.problem() == Head::PROBLEM_UNSPECIFIED)
      head.set_problem(Head::SINGLE_LABEL);
    if (!ofSequence && head.problem() != Head::PROBLEM_UNSPECIFIED)
      fail("head.problem", Head::Problem_Name(head.problem()), "none without SEQUENCE_CLASSIFICATION");
    if (isEncoder && head.kind() != Head::MASKED_TOKENS)
      model.set_tied(false); // nothing predicts tokens
    checkPart("head.softcap", head.softcap() != 0, only(head.kind() != Head::NONE, rules.logitSoftcap));
    if (head.softcap() != 0)
      checkNumber("head.softcap", head.softcap(), 1e-3, kMostFactor);
  }

  void checkLabels(const Head &head, bool hasLabels) {
    if (hasLabels == head.labels_size() > 0)
      return;
    fail("head.labels", absl::StrCat("a list of ", head.labels_size()),
         absl::StrCat(hasLabels ? "at least one for " : "none for ", Head::Kind_Name(head.kind())));
  }

  void completeDecoder() {
    checkPart("decoder", model.has_decoder(), only(rules.shape == Shape::EncoderDecoder));
    if (rules.shape != Shape::EncoderDecoder || !error.ok())
      return;
    Decoder &decoder = *model.mutable_decoder();
    if (decoder.layers() == 0)
      decoder.set_layers(model.layers());
    if (decoder.heads() == 0)
      decoder.set_heads(model.attention().heads());
    if (decoder.inner() == 0)
      decoder.set_inner(model.mlp().inner());
    checkSize("decoder.layers", decoder.layers());
    checkSize("decoder.heads", decoder.heads());
    checkSize("decoder.inner", decoder.inner());
    if (decoder.start_token() >= model.vocabulary())
      fail("decoder.start_token", absl::StrCat(decoder.start_token()),
           absl::StrCat("less than vocabulary (", model.vocabulary(), ")"));
    if (isBart()) {
      if (error.ok() && model.width() % decoder.heads() != 0)
        fail("width", absl::StrCat(model.width()),
             absl::StrCat("a multiple of decoder.heads (", decoder.heads(), ")"));
      return;
    }
    checkSame("decoder.heads", decoder.heads(), "attention.heads", model.attention().heads());
    checkSame("decoder.inner", decoder.inner(), "mlp.inner", model.mlp().inner());
  }

  ModelDefinition &model;
};

/// About as many elements as all parameters have, in numbers that do not overflow.
double estimateParameters(const ModelDefinition &model) {
  const double width = model.width(), heads = model.attention().heads();
  const Experts &experts = model.mlp().experts();
  const double layer =
      4 * width * heads * model.attention().head_size() +
      3 * width *
          (double(model.mlp().inner()) + double(experts.count()) * experts.inner() + experts.shared_inner());
  const double tokens = double(model.vocabulary()) + model.context();
  return (double(model.layers()) + model.decoder().layers()) * layer + 2 * tokens * width;
}

} // namespace

absl::StatusOr<ModelDefinition> complete(ModelDefinition model, int64_t vocabulary) {
  auto wrong = [](absl::string_view field, const std::string &found, const std::string &expected) {
    return absl::InvalidArgumentError(absl::StrCat("model.", field, " is ", found, ", expected ", expected));
  };
  if (model.vocabulary() == 0)
    model.set_vocabulary(vocabulary);
  if (vocabulary > static_cast<int64_t>(model.vocabulary()))
    return wrong("vocabulary", absl::StrCat(model.vocabulary()),
                 absl::StrCat("at least the tokenizer's ", vocabulary));
  const std::pair<absl::string_view, uint32_t> sizes[] = {{"vocabulary", model.vocabulary()},
                                                          {"context", model.context()},
                                                          {"width", model.width()},
                                                          {"layers", model.layers()}};
  for (auto [field, value] : sizes)
    if (value < 1 || value > kMostSize)
      return wrong(field, absl::StrCat(value), absl::StrCat("1 to ", kMostSize));
  // More than any model has; and each layer becomes part of a program.
  constexpr uint32_t kMostLayers = 4096;
  for (auto [field, value] : {std::pair<absl::string_view, uint32_t>{"layers", model.layers()},
                              {"decoder.layers", model.decoder().layers()}})
    if (value > kMostLayers)
      return wrong(field, absl::StrCat(value), absl::StrCat("at most ", kMostLayers));
  const FamilyRules *rules = rulesOf(model.family());
  if (!rules)
    return wrong("family", ModelDefinition::Family_Name(model.family()),
                 "LLAMA, GPT2, BERT, T5 or another family");
  if (absl::Status status = Completion(model, *rules).complete(); !status.ok())
    return status;
  constexpr double kMostParameters = 0x1p60;
  if (estimateParameters(model) > kMostParameters)
    return absl::InvalidArgumentError(
        "model: has more parameters than can be counted, expected smaller sizes");
  return model;
}

bool isEncoder(const ModelDefinition &model) {
  const FamilyRules *rules = rulesOf(model.family());
  return rules && rules->shape == Shape::Encoder;
}

} // namespace llmc::spec
