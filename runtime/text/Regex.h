//===- Regex.h - regular expressions over UTF-8 text ----------------------===//

#ifndef LLMC_TEXT_REGEX_H
#define LLMC_TEXT_REGEX_H

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace llmc::text {

/// A compiled regular expression (PCRE2, just-in-time compiled where the machine allows). Thread-safe.
class Regex {
public:
  struct Match {
    size_t start; // bytes
    size_t end;
  };

  /// Compiles a pattern in Oniguruma's syntax (see OnigurumaSyntax.h). The error says what is wrong with it.
  static absl::StatusOr<Regex> create(absl::string_view pattern);

  /// Compiles a pattern that matches `text` itself.
  static absl::StatusOr<Regex> createLiteral(absl::string_view text);

  /// The first match in `text` (valid UTF-8) that starts at byte `from` or later; nothing if there is none.
  /// Fails if the search exceeds the limits on backtracking.
  absl::StatusOr<std::optional<Match>> find(absl::string_view text, size_t from) const;

  /// Calls `onMatch` for one match in `text` (valid UTF-8) after the other; an empty one moves on by one
  /// character. Ends with the first error, of the search or of `onMatch`.
  absl::Status forEachMatch(absl::string_view text, absl::FunctionRef<absl::Status(Match)> onMatch) const;

private:
  struct Compiled;
  explicit Regex(std::shared_ptr<const Compiled> compiled) : compiled(std::move(compiled)) {}
  static absl::StatusOr<Regex> compile(absl::string_view shown, const std::string &pcre2Pattern);

  std::shared_ptr<const Compiled> compiled;
};

} // namespace llmc::text

#endif
