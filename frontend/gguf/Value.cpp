#include "frontend/gguf/Value.h"

#include <cstring>
#include <limits>

#include "absl/strings/str_cat.h"

#include "runtime/io/Message.h"

namespace llmc::gguf {

/// Arrays of arrays of arrays ...: no writer nests deeper than two.
static constexpr int maxDepth = 8;

struct TypeTraits {
  absl::string_view name;
  /// Bytes of a value; 0 where they vary.
  uint64_t size;
};

/// In the order of ValueType.
static constexpr TypeTraits typeTraits[] = {
    {"u8", 1},   {"i8", 1},     {"u16", 2},   {"i16", 2}, {"u32", 4}, {"i32", 4}, {"f32", 4},
    {"bool", 1}, {"string", 0}, {"array", 0}, {"u64", 8}, {"i64", 8}, {"f64", 8},
};

absl::string_view nameOf(ValueType type) { return typeTraits[static_cast<uint32_t>(type)].name; }

absl::StatusOr<ValueType> Value::checkType(uint32_t number) {
  if (number >= std::size(typeTraits))
    return absl::InvalidArgumentError(
        absl::StrCat("value type ", number, " is unknown, expected 0 to ", std::size(typeTraits) - 1));
  return static_cast<ValueType>(number);
}

/// Checks the elements of an array whose header has been read, and moves `cursor` behind them.
static absl::Status skipElements(Cursor &cursor, ValueType itemType, uint64_t count, int depth) {
  uint64_t itemSize = typeTraits[static_cast<uint32_t>(itemType)].size;
  // Smallest possible element: an empty string is its length, an empty array its type and count.
  uint64_t smallest = itemSize != 0 ? itemSize : itemType == ValueType::String ? 8 : 12;
  if (count > cursor.remaining() / smallest)
    return absl::DataLossError(absl::StrCat("an array of ", count, " ", nameOf(itemType),
                                            " does not fit into the ", cursor.remaining(),
                                            " bytes that are left of the file"));
  if (itemSize != 0 && itemType != ValueType::Bool)
    return cursor.take(count * itemSize, "array").status();
  for (uint64_t i = 0; i < count; ++i)
    if (absl::StatusOr<Value> item = Value::read(cursor, itemType, depth + 1); !item.ok())
      return io::withContext(absl::StrCat("element ", i), item.status());
  return absl::OkStatus();
}

absl::StatusOr<Value> Value::read(Cursor &cursor, ValueType type, int depth) {
  Value value;
  value.valueType = type;
  if (type == ValueType::Array) {
    if (depth == maxDepth)
      return absl::InvalidArgumentError(absl::StrCat("arrays are nested more than ", maxDepth, " deep"));
    absl::StatusOr<uint32_t> number = cursor.number<uint32_t>("element type");
    if (!number.ok())
      return number.status();
    absl::StatusOr<ValueType> itemType = checkType(*number);
    if (!itemType.ok())
      return itemType.status();
    absl::StatusOr<uint64_t> count = cursor.number<uint64_t>("array length");
    if (!count.ok())
      return count.status();
    value.itemType = *itemType;
    value.count = *count;
    Cursor start = cursor;
    if (absl::Status status = skipElements(cursor, *itemType, *count, depth); !status.ok())
      return status;
    value.bytes = *start.take(cursor.position() - start.position(), "array");
    return value;
  }
  if (type == ValueType::String) {
    absl::StatusOr<absl::string_view> text = cursor.string("string");
    if (!text.ok())
      return text.status();
    value.bytes = absl::MakeConstSpan(reinterpret_cast<const uint8_t *>(text->data()), text->size());
    return value;
  }
  absl::StatusOr<absl::Span<const uint8_t>> taken =
      cursor.take(typeTraits[static_cast<uint32_t>(type)].size, nameOf(type));
  if (!taken.ok())
    return taken.status();
  value.bytes = *taken;
  if (type == ValueType::Bool && value.bytes[0] > 1)
    return absl::InvalidArgumentError(
        absl::StrCat("bool has the value ", value.bytes[0], ", expected 0 or 1"));
  return value;
}

template <typename T> static T load(absl::Span<const uint8_t> bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

std::optional<int64_t> Value::asInteger() const {
  switch (valueType) {
  case ValueType::UInt8:
    return load<uint8_t>(bytes);
  case ValueType::Int8:
    return load<int8_t>(bytes);
  case ValueType::UInt16:
    return load<uint16_t>(bytes);
  case ValueType::Int16:
    return load<int16_t>(bytes);
  case ValueType::UInt32:
    return load<uint32_t>(bytes);
  case ValueType::Int32:
    return load<int32_t>(bytes);
  case ValueType::Int64:
    return load<int64_t>(bytes);
  case ValueType::UInt64:
    if (load<uint64_t>(bytes) <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
      return load<int64_t>(bytes);
    return std::nullopt;
  default:
    return std::nullopt;
  }
}

std::optional<double> Value::asNumber() const {
  switch (valueType) {
  case ValueType::Float32:
    return load<float>(bytes);
  case ValueType::Float64:
    return load<double>(bytes);
  case ValueType::UInt64:
    return static_cast<double>(load<uint64_t>(bytes));
  default:
    if (std::optional<int64_t> integer = asInteger())
      return static_cast<double>(*integer);
    return std::nullopt;
  }
}

std::optional<bool> Value::asBool() const {
  if (valueType != ValueType::Bool)
    return std::nullopt;
  return bytes[0] != 0;
}

std::optional<absl::string_view> Value::asString() const {
  if (valueType != ValueType::String)
    return std::nullopt;
  return absl::string_view(reinterpret_cast<const char *>(bytes.data()), bytes.size());
}

template <typename T, typename Accessor>
std::optional<std::vector<T>> Value::collect(Accessor accessor) const {
  if (!isArray())
    return std::nullopt;
  std::vector<T> items;
  items.reserve(count);
  Cursor cursor(bytes);
  for (uint64_t i = 0; i < count; ++i) {
    absl::StatusOr<Value> item = read(cursor, itemType); // cannot fail: it was checked when the file was read
    std::optional<T> content = accessor(*item);
    if (!content)
      return std::nullopt;
    items.push_back(*std::move(content));
  }
  return items;
}

std::optional<std::vector<int64_t>> Value::asIntegers() const {
  return collect<int64_t>([](const Value &item) { return item.asInteger(); });
}

std::optional<std::vector<double>> Value::asNumbers() const {
  return collect<double>([](const Value &item) { return item.asNumber(); });
}

std::optional<std::vector<bool>> Value::asBools() const {
  return collect<bool>([](const Value &item) { return item.asBool(); });
}

std::optional<std::vector<absl::string_view>> Value::asStrings() const {
  return collect<absl::string_view>([](const Value &item) { return item.asString(); });
}

std::optional<std::vector<Value>> Value::asArrays() const {
  return collect<Value>(
      [](const Value &item) { return item.isArray() ? std::optional(item) : std::nullopt; });
}

void Value::appendTo(std::string &file) const {
  auto append = [&](const void *data, size_t size) { file.append(static_cast<const char *>(data), size); };
  if (isArray()) {
    const auto item = static_cast<uint32_t>(itemType);
    append(&item, sizeof(item));
    append(&count, sizeof(count));
  } else if (valueType == ValueType::String) {
    const uint64_t length = bytes.size();
    append(&length, sizeof(length));
  }
  append(bytes.data(), bytes.size());
}

std::string Value::describe() const {
  if (isArray())
    return absl::StrCat("array of ", count, " ", nameOf(itemType));
  if (std::optional<absl::string_view> text = asString())
    return absl::StrCat("string ", io::quote(*text));
  if (std::optional<bool> truth = asBool())
    return absl::StrCat("bool ", *truth ? "true" : "false");
  if (std::optional<int64_t> integer = asInteger())
    return absl::StrCat(nameOf(valueType), " ", *integer);
  if (valueType == ValueType::UInt64)
    return absl::StrCat("u64 ", load<uint64_t>(bytes));
  return absl::StrCat(nameOf(valueType), " ", *asNumber());
}

} // namespace llmc::gguf
