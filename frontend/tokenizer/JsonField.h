//===- JsonField.h - reading fields of JSON files with errors -------------===//
//
// Values of a parsed JSON file that know where they stand, so that an error names the file and the field.
//
//===----------------------------------------------------------------------===//

#ifndef LLMC_TOKENIZER_JSON_FIELD_H
#define LLMC_TOKENIZER_JSON_FIELD_H

#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace llmc::tokenizer {

/// Parses `text`, the content of the file `file`. Fails on malformed JSON, repeated keys and deep nesting.
absl::StatusOr<nlohmann::json> parseJson(absl::string_view file, absl::string_view text);

/// A value at a place in a file. Views the parsed document.
class JsonField {
public:
  JsonField(const nlohmann::json &value, std::string place) : json(&value), where(std::move(place)) {}

  const nlohmann::json &value() const { return *json; }
  const std::string &place() const { return where; }

  /// The member `name`, or null if it is missing. This value must be an object, else the member counts as
  /// missing.
  JsonField operator[](absl::string_view name) const;
  /// The element `index` of this array.
  JsonField element(size_t index) const;

  bool isNull() const { return json->is_null(); }

  absl::StatusOr<std::string> string() const;
  /// A string, or `fallback` where the field is missing or null.
  absl::StatusOr<std::string> stringOr(absl::string_view fallback) const;
  /// A boolean, or `fallback` where the field is missing or null.
  absl::StatusOr<bool> booleanOr(bool fallback) const;
  /// A whole number in [0, 2^31).
  absl::StatusOr<uint32_t> id() const;

  /// The number of elements; fails unless this is an array.
  absl::StatusOr<size_t> arraySize() const;

  /// An error about this field.
  absl::Status error(absl::string_view message) const;
  absl::Status unsupported(absl::string_view message) const;
  /// The error that this field is of the wrong kind.
  absl::Status wrongKind(absl::string_view expected) const;

private:
  const nlohmann::json *json;
  std::string where; // "tokenizer.json: model.vocab"
};

} // namespace llmc::tokenizer

#endif
