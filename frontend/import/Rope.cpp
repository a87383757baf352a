//===- Rope.cpp - how a model's rotary embedding is described -----------------------------------------===//

#include "frontend/import/Rope.h"
#include "absl/strings/str_cat.h"
#include "runtime/io/Message.h"
#include <cmath>
#include <cstring>

using namespace mlir;
using namespace llmc;
using namespace llmc::frontend;

namespace {

/// Bounds of factors.
constexpr double kLeastFactor = 1e-6, kMostFactor = 1e6;

/// A factor of frequencies or of attention: one of the numbers with which scalings are described.
double factorOf(Hyperparameters &fields, Name name, std::optional<double> missing = {}) {
  return fields.numberIn(name, kLeastFactor, kMostFactor, missing);
}

/// The base of frequencies: 10,000 where the model was invented, up to some 10^9 in models with long
/// contexts.
double thetaOf(Hyperparameters &fields, Name name, std::optional<double> missing = {}) {
  return fields.numberIn(name, 1, 1e12, missing);
}

//===----------------------------------------------------------------------===//
// Hugging Face: rope_scaling, or rope_parameters since transformers 5
//===----------------------------------------------------------------------===//

constexpr Name kFactor = {"factor", ""};
constexpr Name kTrainedContext = {"original_max_position_embeddings", ""};

/// `scaling` are the fields of the object that holds the scaling; `context` is the model's context length.
nn::RopeScalingAttr readYarn(Hyperparameters &scaling, int64_t context, ScalingBuilder &build) {
  scaling.expect({"truncate", ""}, {true});
  double factor = factorOf(scaling, kFactor);
  double magnitude = yarnMagnitude(factor);
  if (double strength = scaling.numberOr({"mscale", ""}, 0),
      all = scaling.numberOr({"mscale_all_dim", ""}, 0);
      strength != 0 && all != 0)
    magnitude = yarnMagnitude(factor, strength) / yarnMagnitude(factor, all);
  return build.yarn(factor, factorOf(scaling, {"beta_slow", ""}, 1), factorOf(scaling, {"beta_fast", ""}, 32),
                    scaling.sizeOr(kTrainedContext, {context, ""}).value,
                    factorOf(scaling, {"attention_factor", ""}, magnitude));
}

nn::RopeScalingAttr readLlama3(Hyperparameters &scaling, ScalingBuilder &build) {
  constexpr Name highName = {"high_freq_factor", ""};
  double low = factorOf(scaling, {"low_freq_factor", ""}), high = factorOf(scaling, highName);
  if (scaling.ok() && low >= high)
    scaling.fail(highName, absl::StrCat("is ", high, ", expected more than low_freq_factor (", low, ")"));
  return build.llama3(factorOf(scaling, kFactor), low, high, scaling.size(kTrainedContext).value);
}

/// What longrope multiplies queries and keys by in a model of `context` positions, `trained` of which it was
/// trained with before (Ding et al., 2024).
double longRopeMagnitude(double context, double trained) {
  return context <= trained ? 1 : std::sqrt(1 + std::log(context / trained) / std::log(trained));
}

/// Numbers by which longrope divides frequencies, one for each rotating pair.
void checkFactors(const std::vector<double> &factors, int64_t dims, Name name, Hyperparameters &scaling) {
  if (!scaling.ok())
    return;
  if (factors.size() != static_cast<size_t>(dims / 2))
    scaling.fail(name, absl::StrCat("is a list of ", factors.size(), " numbers, expected ", dims / 2,
                                    ": half of the dimensions that rotate"));
  for (double factor : factors)
    if (!(factor >= kLeastFactor && factor <= kMostFactor))
      scaling.fail(
          name, absl::StrCat("has ", factor, ", expected numbers from ", kLeastFactor, " to ", kMostFactor));
}

/// Texts of up to the trained context rotate by the short factors, longer ones by others: the model is read
/// as one of that context.
void readLongRope(Hyperparameters &fields, Hyperparameters &scaling, int64_t context, ScalingBuilder &build,
                  Rope &rope) {
  constexpr Name shortFactors = {"short_factor", ""}, longFactors = {"long_factor", ""};
  Hyperparameters &owner = scaling.has(kTrainedContext) ? scaling : fields;
  const int64_t trained = owner.size(kTrainedContext).value;
  const std::vector<double> factors = scaling.numbers(shortFactors);
  checkFactors(factors, rope.dims, shortFactors, scaling);
  checkFactors(scaling.numbers(longFactors), rope.dims, longFactors, scaling);
  rope.context = std::min(trained, context);
  rope.scaling = build.factors(factors, factorOf(scaling, {"attention_factor", ""},
                                                 longRopeMagnitude(double(context), double(trained))));
}

nn::RopeScalingAttr readHuggingFaceScaling(Hyperparameters &scaling, int64_t context, ScalingBuilder &build) {
  // It was `type` once.
  Name typeName = scaling.has({"rope_type", ""}) ? Name{"rope_type", ""} : Name{"type", ""};
  std::string type = scaling.textOr(typeName, "default");
  // `dynamic` changes frequencies of texts that are longer than the model's context alone.
  if (type == "default" || type == "dynamic")
    return {};
  if (type == "linear")
    return build.linear(factorOf(scaling, kFactor));
  if (type == "llama3")
    return readLlama3(scaling, build);
  if (type == "yarn")
    return readYarn(scaling, context, build);
  scaling.fail(typeName,
               absl::StrCat("is ", io::quote(type),
                            ", which is not supported (supported: default, dynamic, linear, llama3, yarn, "
                            "longrope)"));
  return {};
}

//===----------------------------------------------------------------------===//
// GGUF: rope.scaling.*, and the tensor rope_freqs.weight
//===----------------------------------------------------------------------===//

constexpr Name kScalingType = {"", "rope.scaling.type"};
constexpr Name kScalingFactor = {"", "rope.scaling.factor"};

nn::RopeScalingAttr readGgufYarn(Hyperparameters &fields, ScalingBuilder &build) {
  fields.expect({"", "rope.scaling.yarn_ext_factor"}, {1.0});
  double factor = factorOf(fields, kScalingFactor);
  Size context =
      fields.sizeOr({"", "rope.scaling.original_context_length"}, fields.size({"", "context_length"}));
  double attention = factorOf(fields, {"", "rope.scaling.yarn_attn_factor"},
                              factorOf(fields, {"", "rope.scaling.attn_factor"}, 1));
  return build.yarn(factor, factorOf(fields, {"", "rope.scaling.yarn_beta_slow"}, 1),
                    factorOf(fields, {"", "rope.scaling.yarn_beta_fast"}, 32), context.value,
                    attention * yarnMagnitude(factor));
}

/// The divisors that the file gives as the tensor `name`, or nothing.
std::vector<double> readFactors(const Checkpoint &checkpoint, Hyperparameters &fields, const char *name,
                                int64_t dims) {
  const StoredTensor *tensor = checkpoint.find(name);
  if (!tensor)
    return {};
  if (tensor->format != blocks::StorageFormat::F32 || tensor->shape != llvm::ArrayRef<int64_t>{dims / 2}) {
    fields.fail(absl::InvalidArgumentError(absl::StrCat(tensor->file, ": tensor '", name,
                                                        "' is not F32 of shape [", dims / 2,
                                                        "], half of the ", dims, " dimensions that rotate")));
    return {};
  }
  std::vector<double> factors;
  for (int64_t i = 0; i < dims / 2; ++i) {
    float factor;
    std::memcpy(&factor, tensor->bytes.data() + i * sizeof(float), sizeof(float));
    if (!(factor >= kLeastFactor && factor <= kMostFactor)) {
      fields.fail(absl::InvalidArgumentError(absl::StrCat(tensor->file, ": tensor '", name, "' has ", factor,
                                                          " at index ", i, ", expected a number from ",
                                                          kLeastFactor, " to ", kMostFactor)));
      return {};
    }
    factors.push_back(factor);
  }
  return factors;
}

void readGgufLongRope(const Checkpoint &checkpoint, Hyperparameters &fields, ScalingBuilder &build,
                      Rope &rope) {
  const int64_t context = fields.size({"", "context_length"}).value;
  const int64_t trained = fields.sizeOr({"", "rope.scaling.original_context_length"}, {context, ""}).value;
  const std::vector<double> factors = readFactors(checkpoint, fields, kShortFactorsTensor, rope.dims);
  rope.context = std::min(trained, context);
  rope.scaling = build.factors(factors, factorOf(fields, {"", "rope.scaling.attn_factor"},
                                                 longRopeMagnitude(double(context), double(trained))));
}

nn::RopeScalingAttr readGgufScaling(const Checkpoint &checkpoint, Hyperparameters &fields, int64_t dims,
                                    ScalingBuilder &build) {
  std::string type = fields.textOr(kScalingType, "none");
  std::vector<double> factors = readFactors(checkpoint, fields, kRopeFactorsTensor, dims);
  if (type == "none" && fields.has({"", "rope.scale_linear"})) {
    // Before rope.scaling.* existed.
    double factor = factorOf(fields, {"", "rope.scale_linear"});
    for (double &divisor : factors)
      divisor *= factor;
    return factors.empty() ? build.linear(factor) : build.factors(factors);
  }
  if (type == "none")
    return factors.empty() ? nn::RopeScalingAttr() : build.factors(factors);
  if (type == "linear") {
    double factor = factorOf(fields, kScalingFactor);
    for (double &divisor : factors)
      divisor *= factor;
    return factors.empty() ? build.linear(factor) : build.factors(factors);
  }
  if (type == "yarn" && factors.empty())
    return readGgufYarn(fields, build);
  fields.fail(kScalingType,
              absl::StrCat("is ", io::quote(type), ", which is not supported",
                           factors.empty() ? " " : " together with a tensor 'rope_freqs.weight' ",
                           "(supported: none, linear, yarn)"));
  return {};
}

//===----------------------------------------------------------------------===//
// How much of a head rotates
//===----------------------------------------------------------------------===//

Size readGgufDims(Hyperparameters &fields, const Size &headDim) {
  Size dims = fields.sizeOr({"", "rope.dimension_count"}, headDim);
  if (dims.value > headDim.value || dims.value % 2 != 0)
    fields.fail(absl::InvalidArgumentError(absl::StrCat(fields.file(), ": ", dims.meaning, " is ", dims.value,
                                                        ", expected an even number of at most the head size ",
                                                        headDim.value)));
  return dims;
}

/// The factor stands beside the other fields, or since transformers 5 with those of the scaling.
int64_t readHuggingFaceDims(Hyperparameters &fields, Hyperparameters &scaling, const Size &headDim,
                            RotaryPart part) {
  constexpr Name factorName = {"partial_rotary_factor", ""};
  if (part == RotaryPart::Whole) {
    fields.expect(factorName, {1.0});
    scaling.expect(factorName, {1.0});
  }
  Hyperparameters &owner = scaling.has(factorName) ? scaling : fields;
  const double factor = owner.numberIn(factorName, 0, 1, 1);
  const int64_t dims = static_cast<int64_t>(static_cast<double>(headDim.value) * factor);
  if (dims == 0 || dims % 2 != 0)
    owner.fail(absl::InvalidArgumentError(absl::StrCat(fields.file(), ": ", dims, " of ", headDim.value,
                                                       " dimensions of a head (", headDim.meaning,
                                                       ") rotate, expected an even number above 0")));
  return dims;
}

} // namespace

nn::RopeScalingAttr ScalingBuilder::linear(double factor) { return get(nn::RopeScalingKind::Linear, factor); }

nn::RopeScalingAttr ScalingBuilder::llama3(double factor, double lowFreq, double highFreq, int64_t context) {
  return get(nn::RopeScalingKind::Llama3, factor, lowFreq, highFreq, context);
}

nn::RopeScalingAttr ScalingBuilder::yarn(double factor, double betaSlow, double betaFast, int64_t context,
                                         double attentionFactor) {
  return get(nn::RopeScalingKind::Yarn, factor, betaSlow, betaFast, context, attentionFactor);
}

nn::RopeScalingAttr ScalingBuilder::factors(ArrayRef<double> factors, double attentionFactor) {
  return nn::RopeScalingAttr::get(builder.getContext(), nn::RopeScalingKind::Factors, {}, {}, {}, {},
                                  attentionFactor == 1 ? FloatAttr()
                                                       : builder.getF64FloatAttr(attentionFactor),
                                  builder.getDenseF64ArrayAttr(factors));
}

nn::RopeScalingAttr ScalingBuilder::get(nn::RopeScalingKind kind, double factor,
                                        std::optional<double> lowFreq, std::optional<double> highFreq,
                                        std::optional<int64_t> context,
                                        std::optional<double> attentionFactor) {
  auto number = [&](std::optional<double> value) {
    return value ? builder.getF64FloatAttr(*value) : FloatAttr();
  };
  return nn::RopeScalingAttr::get(
      builder.getContext(), kind, number(factor), number(lowFreq), number(highFreq),
      context ? builder.getI64IntegerAttr(*context) : IntegerAttr(), number(attentionFactor), {});
}

double llmc::frontend::yarnMagnitude(double factor, double strength) {
  return factor <= 1 ? 1 : 0.1 * strength * std::log(factor) + 1;
}

Rope llmc::frontend::readRope(const Checkpoint &checkpoint, Hyperparameters &fields, const Size &headDim,
                              const RopeReading &reading, MLIRContext *context) {
  ScalingBuilder build(context);
  constexpr Name thetaName = {"rope_theta", ""};
  Rope rope{0, 10000, nn::RopeStyle::Half, {}};
  if (fields.format() == Format::Gguf) {
    rope.dims = readGgufDims(fields, headDim).value;
    rope.theta = thetaOf(fields, reading.theta, reading.missingTheta);
    rope.style = reading.ggufStyle;
    if (checkpoint.find(kShortFactorsTensor))
      readGgufLongRope(checkpoint, fields, build, rope);
    else
      rope.scaling = readGgufScaling(checkpoint, fields, rope.dims, build);
    return rope;
  }
  bool isNew = fields.has({"rope_parameters", ""});
  Hyperparameters scaling = fields.inside({isNew ? "rope_parameters" : "rope_scaling", ""});
  if (isNew && *reading.layerKind) {
    fields.fail(scaling.status());
    scaling = scaling.inside({reading.layerKind, ""});
  }
  rope.dims = readHuggingFaceDims(fields, scaling, headDim, reading.part);
  rope.theta = scaling.has(thetaName) ? thetaOf(scaling, thetaName)
                                      : thetaOf(fields, reading.theta, reading.missingTheta);
  const int64_t positions = fields.sizeOr({"max_position_embeddings", ""}, {}).value;
  // Phi-3 called it `su` once.
  const std::string type =
      scaling.textOr({scaling.has({"rope_type", ""}) ? "rope_type" : "type", ""}, "default");
  if (type == "longrope" || type == "su")
    readLongRope(fields, scaling, positions, build, rope);
  else
    rope.scaling = readHuggingFaceScaling(scaling, positions, build);
  fields.fail(scaling.status());
  return rope;
}
