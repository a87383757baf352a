//===- Hyperparameters.h - what a checkpoint says of its model ---------------------------------------===//
#ifndef LLMC_FRONTEND_IMPORT_HYPERPARAMETERS_H
#define LLMC_FRONTEND_IMPORT_HYPERPARAMETERS_H

#include "absl/status/status.h"
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace llmc::frontend {

/// The file formats of checkpoints. What there is beside a graph of ONNX is in files of Hugging Face.
enum class Format { HuggingFace, Gguf, Onnx };

/// The two names of one thing (a field, a tensor, a part of a tensor's name). An empty string: the format has
/// no such thing.
struct Name {
  const char *huggingFace;
  const char *gguf;

  const char *in(Format format) const { return format == Format::Gguf ? gguf : huggingFace; }
};

/// A size of the model with the field that it comes from, so that a tensor that contradicts it can be
/// reported in words: 'num_attention_heads * head_dim'.
struct Size {
  int64_t value = 1;
  std::string meaning;
};
Size operator*(const Size &a, const Size &b);
Size operator+(const Size &a, const Size &b);

/// `null` in JSON.
struct NullField {};
/// A JSON object, whose fields have keys of their own.
struct ObjectField {};
/// A field whose value is none of the others (a list of unlike things), described for messages.
struct OtherField {
  std::string description;
};
/// A field that is not there.
struct MissingField {};
using Field = std::variant<MissingField, NullField, bool, int64_t, double, std::string, std::vector<int64_t>,
                           std::vector<double>, std::vector<std::string>, std::vector<std::vector<int64_t>>,
                           ObjectField, OtherField>;

/// Typed access to config.json or to GGUF metadata. The first error is kept and the accessors go on with a
/// default, so that a family reads all its fields and asks for the status once.
class Hyperparameters {
public:
  /// `file` stands before each message. `lookup` returns the field at a key: `rope_scaling.factor` means a
  /// member of an object in JSON, and in GGUF a key after `prefix` ("llama.").
  Hyperparameters(Format format, std::string file, std::string prefix,
                  std::function<Field(const std::string &)> lookup)
      : formatKind(format), filePath(std::move(file)), prefix(std::move(prefix)), lookup(std::move(lookup)) {}

  /// The fields of an object among these fields, with a status of their own. None if it is missing or null.
  Hyperparameters inside(Name object) const;

  /// A size: an integer from 1 to 2^24.
  Size size(Name name);
  /// The same where the field may be missing (or null).
  Size sizeOr(Name name, Size missing);

  int64_t integerOr(Name name, int64_t missing, int64_t least, int64_t most);
  /// A finite number. The first form needs the field to be there.
  double number(Name name);
  double numberOr(Name name, double missing);
  /// A number from `least` to `most`: wide bounds, beyond which no model makes sense and arithmetic
  /// overflows.
  double numberIn(Name name, double least, double most, std::optional<double> missing = {});
  /// The `epsilon` of a norm: a number from 0 to 1.
  double epsilon(Name name, std::optional<double> missing = {});
  bool flagOr(Name name, bool missing);
  std::string textOr(Name name, std::string missing);
  /// A list of integers; one integer stands for a list of one.
  std::vector<int64_t> integersOr(Name name, std::vector<int64_t> missing);
  /// A list of lists of integers; none if it is missing or empty.
  std::vector<std::vector<int64_t>> integerLists(Name name);
  /// A list of finite numbers, which must be there.
  std::vector<double> numbers(Name name);
  std::vector<std::string> textsOr(Name name, std::vector<std::string> missing);

  /// The field at a key.
  Field field(const std::string &key) const { return lookup(prefix + key); }

  /// Whether the field is there and not null.
  bool has(Name name) const;
  /// Whether the field is there but null.
  bool isNull(Name name) const;

  /// Refuses a field with any value but these, by name. A missing or null field is fine.
  void expect(Name name, std::initializer_list<Field> supported);
  /// Refuses the model if the field is there at all (and neither null nor false).
  void refuse(Name name, const std::string &reason);
  /// Records an error about a field: "FILE: FIELD MESSAGE".
  void fail(Name name, const std::string &message);
  void fail(const absl::Status &error);

  /// The first error.
  const absl::Status &status() const { return firstError; }
  bool ok() const { return firstError.ok(); }

  Format format() const { return formatKind; }
  /// The file that holds the fields.
  const std::string &file() const { return filePath; }
  /// The name of a field in this format, as the file spells it.
  std::string nameOf(Name name) const;

private:
  Field find(Name name) const;
  void mismatch(Name name, const Field &found, const std::string &expected);
  bool absent(Name name, const Field &field, bool required, const std::string &expected);
  Size checkedSize(Name name, const Field &field);
  double checkedNumber(Name name, const Field &field);

  Format formatKind;
  std::string filePath;
  std::string prefix;
  std::function<Field(const std::string &)> lookup;
  absl::Status firstError;
};

} // namespace llmc::frontend

#endif // LLMC_FRONTEND_IMPORT_HYPERPARAMETERS_H
