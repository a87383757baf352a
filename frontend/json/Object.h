#ifndef LLMC_FRONTEND_JSON_OBJECT_H
#define LLMC_FRONTEND_JSON_OBJECT_H

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include <nlohmann/json.hpp>

namespace llmc::json {

/// A JSON object of a file, whose fields are asked for by name and type. Errors are one line:
///
///     config.json: field 'rope_scaling.factor': expected a number, found string 'eight'
///     config.json: field 'hidden_size' is missing, expected a positive integer
///
/// with NotFound for missing fields and InvalidArgument for wrong ones. A field whose value is null counts as
/// missing. Cheap to copy; copies and nested objects share the file's values and keep them alive.
class Object {
public:
  /// Reads the file at `path`, which must hold an object.
  static absl::StatusOr<Object> readFile(absl::string_view path);

  /// Wraps a value that has been parsed before and must be an object; `file` stands for the path in messages.
  static absl::StatusOr<Object> make(absl::string_view file, nlohmann::json value);

  /// The file that messages name.
  const std::string &file() const { return fileName; }

  /// The object as nlohmann's value.
  const nlohmann::json &value() const { return *node; }

  /// Whether the field is there and not null.
  bool has(absl::string_view field) const { return find(field) != nullptr; }

  /// The value of `field`; null if it is missing or JSON's null. Lives as long as any copy of this object.
  const nlohmann::json *find(absl::string_view field) const;

  /// An integer, positive (from 1) or any. A number with a zero fraction (`8.0`) is none.
  absl::StatusOr<int64_t> positive(absl::string_view field) const;
  absl::StatusOr<int64_t> integer(absl::string_view field) const;
  /// A finite number.
  absl::StatusOr<double> number(absl::string_view field) const;
  absl::StatusOr<bool> boolean(absl::string_view field) const;
  absl::StatusOr<std::string> string(absl::string_view field) const;
  absl::StatusOr<Object> object(absl::string_view field) const;
  /// An array whose elements are all of the type.
  absl::StatusOr<std::vector<int64_t>> integers(absl::string_view field) const;
  absl::StatusOr<std::vector<double>> numbers(absl::string_view field) const;
  absl::StatusOr<std::vector<std::string>> strings(absl::string_view field) const;
  absl::StatusOr<std::vector<Object>> objects(absl::string_view field) const;

  /// The same with a default for a missing field; a wrong one is still an error.
  absl::StatusOr<int64_t> positiveOr(absl::string_view field, int64_t missing) const;
  absl::StatusOr<int64_t> integerOr(absl::string_view field, int64_t missing) const;
  absl::StatusOr<double> numberOr(absl::string_view field, double missing) const;
  absl::StatusOr<bool> booleanOr(absl::string_view field, bool missing) const;
  absl::StatusOr<std::string> stringOr(absl::string_view field, absl::string_view missing) const;

  /// The error for `field`: its value is not what is `expected` ("8 or 16", "a multiple of 'head_dim' (64)").
  absl::Status wrong(absl::string_view field, absl::string_view expected) const;

private:
  Object(std::string fileName, std::string prefix, std::shared_ptr<const nlohmann::json> root,
         const nlohmann::json *node)
      : fileName(std::move(fileName)), prefix(std::move(prefix)), root(std::move(root)), node(node) {}

  std::string fileName;
  /// Path of this object in the file with a dot at its end, or empty.
  std::string prefix;
  std::shared_ptr<const nlohmann::json> root;
  const nlohmann::json *node;
};

} // namespace llmc::json

#endif // LLMC_FRONTEND_JSON_OBJECT_H
