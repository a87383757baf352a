#include "frontend/peft/AdapterConfig.h"

#include <cmath>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "runtime/io/Message.h"

namespace llmc::peft {

/// Larger ranks and scales are no adapters, and would overflow.
static constexpr double kMostRank = 1 << 20, kMostAlpha = 1e12;

/// Fields that are read, and those that say how an adapter came about, where its layers are (its tensors tell
/// that too) or how it is trained further.
static constexpr absl::string_view knownFields[] = {
    "peft_type",
    "r",
    "lora_alpha",
    "use_rslora",
    "rank_pattern",
    "alpha_pattern",
    "target_modules",
    "fan_in_fan_out",
    "bias",
    "init_lora_weights",
    "modules_to_save",
    "exclude_modules",
    "layers_pattern",
    "layers_to_transform",
    "lora_dropout",
    "base_model_name_or_path",
    "revision",
    "task_type",
    "auto_mapping",
    "inference_mode",
    "peft_version",
    "megatron_core",
    "eva_config",
    "qalora_group_size",
    "runtime_config",
    "ensure_weight_tying",
};

/// Initial values that leave the model as it is. Others (PiSSA, OLoRA, LoftQ) change its weights too, by
/// computations that an adapter does not record.
static bool leavesModelAlone(const nlohmann::json &initialization) {
  return initialization.is_boolean() || initialization == "gaussian" || initialization == "eva" ||
         initialization == "orthogonal";
}

static bool isOff(const nlohmann::json &value) {
  return value.is_null() || value == false || value.empty() || value == "";
}

absl::Status AdapterConfig::failed(absl::string_view field, const absl::Status &status) const {
  return absl::InvalidArgumentError(
      absl::StrCat(file(), ": field ", io::quote(field), ": ", status.message()));
}

absl::Status AdapterConfig::readTargets() {
  constexpr absl::string_view field = "target_modules";
  const nlohmann::json *targets = fields.find(field);
  if (targets && targets->is_array()) {
    absl::StatusOr<std::vector<std::string>> ends = fields.strings(field);
    if (!ends.ok())
      return ends.status();
    targetEnds = *std::move(ends);
    targetsAll = targetEnds == std::vector<std::string>{"all-linear"};
    return absl::OkStatus();
  }
  if (!targets || !targets->is_string())
    return fields.wrong(field, "a list of names, or a regular expression");
  targetsAll = *targets == "all-linear";
  if (targetsAll)
    return absl::OkStatus();
  auto pattern = text::Regex::create(absl::StrCat("\\A(?:", targets->get<std::string>(), ")\\z"));
  if (!pattern.ok())
    return failed(field, pattern.status());
  targetPattern = *std::move(pattern);
  return absl::OkStatus();
}

absl::Status AdapterConfig::readPatterns(Patterns &patterns) const {
  if (!fields.has(patterns.field))
    return absl::OkStatus();
  absl::StatusOr<json::Object> object = fields.object(patterns.field);
  if (!object.ok())
    return object.status();
  const bool ofRanks = &patterns == &ranks;
  for (const auto &[name, value] : object->value().items()) {
    auto number = ofRanks ? value.is_number_integer() : value.is_number();
    const double most = ofRanks ? kMostRank : kMostAlpha;
    if (!number || !(value.get<double>() >= (ofRanks ? 1 : -most) && value.get<double>() <= most))
      return object->wrong(name, ofRanks ? "a rank of 1 to 1048576" : "a number");
    auto pattern = text::Regex::create(absl::StrCat("\\A(?:.*\\.)?(?:", name, ")\\z"));
    if (!pattern.ok())
      return failed(absl::StrCat(patterns.field, ".", name), pattern.status());
    patterns.values.emplace_back(*std::move(pattern), value.get<double>());
  }
  return absl::OkStatus();
}

absl::Status AdapterConfig::checkValues() const {
  const nlohmann::json *bias = fields.find("bias");
  if (bias && *bias != "none")
    return fields.wrong("bias", "'none': adapters with biases are not supported");
  if (absl::StatusOr<bool> inOut = fields.booleanOr("fan_in_fan_out", false); !inOut.ok())
    return inOut.status();
  const nlohmann::json *initialization = fields.find("init_lora_weights");
  if (initialization && !leavesModelAlone(*initialization))
    return fields.wrong("init_lora_weights",
                        "true, false, 'gaussian', 'eva' or 'orthogonal', which leave the model as it is");
  return absl::OkStatus();
}

absl::Status AdapterConfig::refuseOthers() const {
  for (const auto &[name, value] : fields.value().items())
    if (!isOff(value) &&
        std::find(std::begin(knownFields), std::end(knownFields), name) == std::end(knownFields))
      return fields.wrong(name, "that it is off: adapters with it are not supported");
  return absl::OkStatus();
}

absl::StatusOr<AdapterConfig> AdapterConfig::read(const std::string &path) {
  absl::StatusOr<json::Object> object = json::Object::readFile(path);
  if (!object.ok())
    return object.status();
  AdapterConfig config(*std::move(object));
  if (const nlohmann::json *type = config.fields.find("peft_type"); !type || *type != "LORA")
    return config.fields.wrong("peft_type", "'LORA'");
  if (absl::Status status = config.refuseOthers(); !status.ok())
    return status;
  absl::StatusOr<int64_t> rank = config.fields.positiveOr("r", 8);
  absl::StatusOr<double> alpha = config.fields.numberOr("lora_alpha", 8);
  absl::StatusOr<bool> root = config.fields.booleanOr("use_rslora", false);
  if (!rank.ok() || !alpha.ok() || !root.ok())
    return !rank.ok() ? rank.status() : !alpha.ok() ? alpha.status() : root.status();
  if (static_cast<double>(*rank) > kMostRank)
    return config.fields.wrong("r", "a rank of 1 to 1048576");
  if (std::abs(*alpha) > kMostAlpha)
    return config.fields.wrong("lora_alpha", "a number of at most 1e12");
  config.rank = *rank;
  config.alpha = *alpha;
  config.dividesByRoot = *root;
  absl::Status status = config.readTargets();
  status.Update(config.readPatterns(config.ranks));
  status.Update(config.readPatterns(config.alphas));
  status.Update(config.checkValues());
  if (!status.ok())
    return status;
  return config;
}

absl::StatusOr<std::optional<double>> AdapterConfig::find(const Patterns &patterns,
                                                          absl::string_view module) const {
  for (const auto &[pattern, value] : patterns.values) {
    auto match = pattern.find(module, 0);
    if (!match.ok())
      return failed(patterns.field, match.status());
    if (*match)
      return std::optional(value);
  }
  return std::nullopt;
}

absl::StatusOr<bool> AdapterConfig::targets(absl::string_view module) const {
  if (targetsAll)
    return true;
  if (targetPattern) {
    auto match = targetPattern->find(module, 0);
    if (!match.ok())
      return failed("target_modules", match.status());
    return match->has_value();
  }
  for (const std::string &end : targetEnds)
    if (module == end || absl::EndsWith(module, absl::StrCat(".", end)))
      return true;
  return false;
}

absl::StatusOr<int64_t> AdapterConfig::rankOf(absl::string_view module) const {
  absl::StatusOr<std::optional<double>> found = find(ranks, module);
  if (!found.ok())
    return found.status();
  return *found ? static_cast<int64_t>(**found) : rank;
}

absl::StatusOr<double> AdapterConfig::scaleOf(absl::string_view module) const {
  absl::StatusOr<int64_t> divisor = rankOf(module);
  if (!divisor.ok())
    return divisor.status();
  absl::StatusOr<std::optional<double>> found = find(alphas, module);
  if (!found.ok())
    return found.status();
  const auto size = static_cast<double>(*divisor);
  return found->value_or(alpha) / (dividesByRoot ? std::sqrt(size) : size);
}

} // namespace llmc::peft
