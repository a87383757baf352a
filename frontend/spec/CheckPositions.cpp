//===- CheckPositions.cpp - how positions are told apart ---------------------------------------------===//

#include "frontend/spec/Checks.h"

#include <cmath>

namespace llmc::spec {

namespace {

/// Numbers of a table that is not learned, which is computed when the model is built.
constexpr uint64_t kMostSinusoids = 1 << 28;

class PositionsCompletion : Checks {
public:
  PositionsCompletion(ModelDefinition &model, const FamilyRules &rules) : Checks(rules), model(model) {}

  absl::Status complete() {
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
    return error;
  }

private:
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
    checkNumber(field, rotation.theta(), 1.001, 1e12); // yarn divides by its logarithm
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

  ModelDefinition &model;
};

} // namespace

absl::Status completePositions(ModelDefinition &model, const FamilyRules &rules) {
  return PositionsCompletion(model, rules).complete();
}

} // namespace llmc::spec
