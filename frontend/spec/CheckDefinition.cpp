//===- CheckDefinition.cpp - definitions that make sense, filled in ----------------------------------===//

#include "frontend/spec/Definition.h"
#include "frontend/spec/FamilyRules.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include <algorithm>
#include <cmath>

namespace llmc::spec {

namespace {

/// Numbers of a table that is not learned, which is computed when the model is built.
constexpr uint64_t kMostSinusoids = 1 << 28;
constexpr double kMostFactor = 1e6, kLeastFactor = 1e-6;

/// Shortens a pattern of so many layers to what it repeats.
void shorten(google::protobuf::RepeatedField<int> &pattern, uint32_t layers) {
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
class Completion {
public:
  Completion(ModelDefinition &model, const FamilyRules &rules)
      : model(model), rules(rules), family(ModelDefinition::Family_Name(model.family())) {}

  absl::Status complete() {
    checkKinds();
    checkFlags();
    completeAttention();
    completeMlp();
    completeNorm();
    completePositions();
    completeEmbedding();
    completeHead();
    completeDecoder();
    return error;
  }

private:
  void fail(absl::string_view field, const std::string &found, absl::string_view expected) {
    error.Update(
        absl::InvalidArgumentError(absl::StrCat("model.", field, " is ", found, ", expected ", expected)));
  }
  std::string ofFamily(absl::string_view expected) const {
    return absl::StrCat(expected, " for family ", family);
  }
  void checkSize(absl::string_view field, uint32_t value) {
    if (value < 1 || value > kMostSize)
      fail(field, absl::StrCat(value), absl::StrCat("1 to ", kMostSize));
  }
  void checkNumber(absl::string_view field, double value, double least, double most) {
    if (!(value >= least && value <= most))
      fail(field, absl::StrCat(value), absl::StrCat("a number from ", least, " to ", most));
  }
  void checkFactor(absl::string_view field, double value) {
    checkNumber(field, value, kLeastFactor, kMostFactor);
  }
  /// Whether a part may be there, which is, or is not.
  void checkPart(absl::string_view field, bool isThere, Has has) {
    if (isThere && has == Has::Never)
      error.Update(absl::InvalidArgumentError(
          absl::StrCat("model.", field, " is there, expected none for family ", family)));
    if (!isThere && has == Has::Always)
      error.Update(absl::InvalidArgumentError(
          absl::StrCat("model.", field, " is missing, which family ", family, " has always")));
  }
  void checkFlag(absl::string_view field, bool value, Has has) {
    if (value && has == Has::Never)
      fail(field, "true", ofFamily("false"));
    if (!value && has == Has::Always)
      fail(field, "false", ofFamily("true"));
  }
  void checkSame(absl::string_view field, uint32_t value, absl::string_view other, uint32_t expected) {
    if (value != expected)
      fail(field, absl::StrCat(value), ofFamily(absl::StrCat(other, " (", expected, ")")));
  }
  static Has only(bool condition, Has has = Has::Maybe) { return condition ? has : Has::Never; }

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
  // Positions
  //===--------------------------------------------------------------------===//

  void completePositions() {
    Positions &positions = *model.mutable_positions();
    const bool rotates = rules.positions == Positions::ROTARY;
    checkPart("positions.theta", positions.theta() != 0, only(rotates));
    checkPart("positions.rotated", positions.rotated() != 0, only(rotates));
    checkPart("positions.scaling", positions.has_scaling(), only(rotates));
    checkPart("positions.windowed", positions.has_windowed(), only(rotates, rules.windowRotation));
    checkPart("positions.first", positions.first() != 0, only(rules.firstPosition != 0));
    const bool isRelative = rules.positions == Positions::RELATIVE;
    checkPart("positions.buckets", positions.buckets() != 0, only(isRelative));
    checkPart("positions.max_distance", positions.max_distance() != 0, only(isRelative));
    if (rotates)
      completeRotation(positions);
    if (isRelative)
      completeRelative(positions);
    if (positions.first() == 0)
      positions.set_first(rules.firstPosition);
    if (model.family() == ModelDefinition::BART)
      checkSame("positions.first", positions.first(), "that of its tables", rules.firstPosition);
    if (rules.positions == Positions::SINUSOIDAL &&
        uint64_t{model.context()} * model.width() > kMostSinusoids)
      fail("context", absl::StrCat(model.context()),
           absl::StrCat("at most ", kMostSinusoids / model.width(), " for a table of sines of this width"));
    if (positions.first() > kMostSize - model.context())
      fail("positions.first", absl::StrCat(positions.first()),
           absl::StrCat("at most ", kMostSize, " - context (", model.context(), ")"));
  }

  void completeRotation(Positions &positions) {
    const uint32_t headSize = model.attention().head_size();
    if (positions.rotated() == 0)
      positions.set_rotated(headSize);
    if (positions.rotated() > headSize)
      fail("positions.rotated", absl::StrCat(positions.rotated()),
           absl::StrCat("at most attention.head_size (", headSize, ")"));
    else if (positions.rotated() != headSize && rules.partialRotation == Has::Never)
      fail("positions.rotated", absl::StrCat(positions.rotated()),
           ofFamily(absl::StrCat("attention.head_size (", headSize, ")")));
    if (positions.rotated() % 2 != 0)
      fail("positions.rotated", absl::StrCat(positions.rotated()), "an even number of dimensions to rotate");
    completeTheta("positions.theta", positions);
    if (positions.has_scaling())
      completeScaling("positions.scaling", *positions.mutable_scaling());
    if (!positions.has_windowed())
      return;
    completeTheta("positions.windowed.theta", *positions.mutable_windowed());
    if (positions.windowed().has_scaling())
      completeScaling("positions.windowed.scaling", *positions.mutable_windowed()->mutable_scaling());
  }

  template <typename Rotation> void completeTheta(absl::string_view field, Rotation &rotation) {
    if (rotation.theta() == 0)
      rotation.set_theta(10000);
    checkNumber(field, rotation.theta(), 1, 1e12);
  }

  void completeScaling(const std::string &field, RotaryScaling &scaling) {
    switch (scaling.kind_case()) {
    case RotaryScaling::kLinear:
      return checkFactor(field + ".linear.factor", scaling.linear().factor());
    case RotaryScaling::kLlama3: {
      const RotaryScaling::Llama3 &llama3 = scaling.llama3();
      checkFactor(field + ".llama3.factor", llama3.factor());
      checkFactor(field + ".llama3.low_freq_factor", llama3.low_freq_factor());
      checkFactor(field + ".llama3.high_freq_factor", llama3.high_freq_factor());
      if (llama3.low_freq_factor() >= llama3.high_freq_factor())
        fail(field + ".llama3.high_freq_factor", absl::StrCat(llama3.high_freq_factor()),
             absl::StrCat("more than low_freq_factor (", llama3.low_freq_factor(), ")"));
      return checkSize(field + ".llama3.trained_context", llama3.trained_context());
    }
    case RotaryScaling::kYarn:
      return completeYarn(field + ".yarn.", *scaling.mutable_yarn());
    case RotaryScaling::kFactors:
      return completeFactors(field + ".factors.", *scaling.mutable_factors());
    case RotaryScaling::KIND_NOT_SET:
      return fail(field, "empty", "linear, llama3, yarn or factors");
    }
  }

  void completeYarn(const std::string &field, RotaryScaling::Yarn &yarn) {
    checkFactor(field + "factor", yarn.factor());
    if (yarn.beta_slow() == 0)
      yarn.set_beta_slow(1);
    if (yarn.beta_fast() == 0)
      yarn.set_beta_fast(32);
    if (yarn.attention_factor() == 0)
      yarn.set_attention_factor(yarn.factor() <= 1 ? 1 : 0.1 * std::log(yarn.factor()) + 1);
    checkFactor(field + "beta_slow", yarn.beta_slow());
    checkFactor(field + "beta_fast", yarn.beta_fast());
    checkFactor(field + "attention_factor", yarn.attention_factor());
    checkSize(field + "trained_context", yarn.trained_context());
  }

  void completeFactors(const std::string &field, RotaryScaling::Factors &factors) {
    if (factors.attention_factor() == 0)
      factors.set_attention_factor(1);
    checkFactor(field + "attention_factor", factors.attention_factor());
    if (static_cast<uint32_t>(factors.divisors_size()) != model.positions().rotated() / 2)
      fail(field + "divisors", absl::StrCat("a list of ", factors.divisors_size()),
           absl::StrCat(model.positions().rotated() / 2, ": half of the dimensions that rotate"));
    for (double divisor : factors.divisors())
      checkFactor(field + "divisors", divisor);
  }

  void completeRelative(Positions &positions) {
    if (positions.buckets() == 0)
      positions.set_buckets(32);
    if (positions.max_distance() == 0)
      positions.set_max_distance(128);
    checkSize("positions.buckets", positions.buckets());
    checkSize("positions.max_distance", positions.max_distance());
    if (positions.buckets() % 4 != 0)
      fail("positions.buckets", absl::StrCat(positions.buckets()), "a multiple of 4");
    if (positions.max_distance() <= positions.buckets() / 2)
      fail("positions.max_distance", absl::StrCat(positions.max_distance()),
           absl::StrCat("more than half of positions.buckets (", positions.buckets(), ")"));
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
  const FamilyRules &rules;
  const std::string family;
  absl::Status error;
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
