//===- AdapterConfig.h - adapter_config.json ---------------------------------------------------------===//
#ifndef LLMC_FRONTEND_PEFT_ADAPTERCONFIG_H
#define LLMC_FRONTEND_PEFT_ADAPTERCONFIG_H

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "frontend/json/Object.h"
#include "runtime/text/Regex.h"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace llmc::peft {

/// What adapter_config.json says of low-rank matrices (PEFT's LoraConfig). Errors are one line that names
/// file, field, what was found and what was expected.
class AdapterConfig {
public:
  /// Reads the file at `path`. An option that changes what an adapter computes and is not supported is
  /// refused by name; one that is not known, unless it is off.
  static absl::StatusOr<AdapterConfig> read(const std::string &path);

  /// The path as it was given to read().
  const std::string &file() const { return fields.file(); }

  /// Whether the layer `module` ("model.layers.0.self_attn.q_proj") has matrices, by `target_modules`.
  absl::StatusOr<bool> targets(absl::string_view module) const;

  /// The rank of the matrices of `module`: `r`, or as `rank_pattern` says.
  absl::StatusOr<int64_t> rankOf(absl::string_view module) const;

  /// What the product of the matrices of `module` is multiplied by: `lora_alpha`, or as `alpha_pattern` says,
  /// divided by the rank or, with `use_rslora`, by its square root.
  absl::StatusOr<double> scaleOf(absl::string_view module) const;

private:
  /// Values of the layers whose names match a pattern; the first one that does counts.
  struct Patterns {
    absl::string_view field;
    std::vector<std::pair<text::Regex, double>> values;
  };

  explicit AdapterConfig(json::Object fields) : fields(std::move(fields)) {}
  absl::Status readTargets();
  absl::Status readPatterns(Patterns &patterns) const;
  absl::Status checkValues() const;
  absl::Status refuseOthers() const;
  /// The error of a search, which may take too long.
  absl::Status failed(absl::string_view field, const absl::Status &status) const;
  absl::StatusOr<std::optional<double>> find(const Patterns &patterns, absl::string_view module) const;

  json::Object fields;
  int64_t rank = 0;
  double alpha = 0;
  bool dividesByRoot = false;
  bool targetsAll = false;
  std::vector<std::string> targetEnds;      ///< names, or ends of names behind a dot
  std::optional<text::Regex> targetPattern; ///< of whole names
  Patterns ranks{"rank_pattern", {}}, alphas{"alpha_pattern", {}};
};

} // namespace llmc::peft

#endif // LLMC_FRONTEND_PEFT_ADAPTERCONFIG_H
