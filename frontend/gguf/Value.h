#ifndef LLMC_FRONTEND_GGUF_VALUE_H
#define LLMC_FRONTEND_GGUF_VALUE_H

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include "frontend/gguf/Cursor.h"

namespace llmc::gguf {

/// Types of metadata values, numbered as in the file.
enum class ValueType : uint32_t {
  UInt8 = 0,
  Int8 = 1,
  UInt16 = 2,
  Int16 = 3,
  UInt32 = 4,
  Int32 = 5,
  Float32 = 6,
  Bool = 7,
  String = 8,
  Array = 9,
  UInt64 = 10,
  Int64 = 11,
  Float64 = 12,
};

/// "u32", "string", ...: for messages and listings.
absl::string_view nameOf(ValueType type);

/// A metadata value: a checked view of its bytes in the file, valid as long as the file is mapped.
class Value {
public:
  /// Reads and checks a value of `type` at `cursor`, with all its elements. `depth` counts the arrays around
  /// it.
  static absl::StatusOr<Value> read(Cursor &cursor, ValueType type, int depth = 0);

  /// Checks the number by which a file names a type.
  static absl::StatusOr<ValueType> checkType(uint32_t number);

  ValueType type() const { return valueType; }
  bool isArray() const { return valueType == ValueType::Array; }
  /// Type of the elements of an array.
  ValueType elementType() const { return itemType; }
  /// Elements of an array; 1 for other values.
  uint64_t size() const { return count; }

  /// The value of any integer type; nothing for other types and for u64 values from 2^63.
  std::optional<int64_t> asInteger() const;
  /// The value of any integer or floating-point type.
  std::optional<double> asNumber() const;
  std::optional<bool> asBool() const;
  /// A string; its bytes lie in the file and need not be valid UTF-8.
  std::optional<absl::string_view> asString() const;

  /// The elements of an array whose elements are all as the scalar accessor of the same name wants them.
  std::optional<std::vector<int64_t>> asIntegers() const;
  std::optional<std::vector<double>> asNumbers() const;
  std::optional<std::vector<bool>> asBools() const;
  std::optional<std::vector<absl::string_view>> asStrings() const;
  std::optional<std::vector<Value>> asArrays() const;

  /// Appends the value as a file has it behind its type.
  void appendTo(std::string &file) const;

  /// `string 'llama'`, `u32 30`, `array of 49152 string`: for messages and listings; one line of bounded
  /// length.
  std::string describe() const;

private:
  template <typename T, typename Accessor> std::optional<std::vector<T>> collect(Accessor accessor) const;

  ValueType valueType = ValueType::UInt8;
  ValueType itemType = ValueType::UInt8;
  uint64_t count = 1;
  /// The value without its type; for strings without the length, for arrays without element type and count.
  absl::Span<const uint8_t> bytes;
};

} // namespace llmc::gguf

#endif // LLMC_FRONTEND_GGUF_VALUE_H
