//===- Template.h - Jinja templates ---------------------------------------===//

#ifndef LLMC_TEXT_JINJA_TEMPLATE_H
#define LLMC_TEXT_JINJA_TEMPLATE_H

#include <memory>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace llmc::text::jinja {

/// A template in the Jinja language, as the chat templates of Hugging Face models use it: the environment is
/// that of the transformers library (trim_blocks, lstrip_blocks, loop controls, its tojson, raise_exception,
/// strftime_now, no changing of lists and dicts). Immutable and thread-safe.
class Template {
public:
  /// Parses `source`. An error names the line.
  static absl::StatusOr<Template> parse(absl::string_view source);

  /// Renders with the members of the object `variables` as variables. `now`: what strftime_now() prints, the
  /// present if not given. Fails where the template raises an exception, misuses a value, or exceeds limits
  /// on recursion, work and memory; the error names the line.
  absl::StatusOr<std::string> render(const nlohmann::ordered_json &variables,
                                     std::optional<absl::Time> now = std::nullopt) const;

private:
  struct Parsed;
  explicit Template(std::shared_ptr<const Parsed> parsed) : parsed(std::move(parsed)) {}

  std::shared_ptr<const Parsed> parsed;
};

} // namespace llmc::text::jinja

#endif
