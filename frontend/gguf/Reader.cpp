#include "frontend/gguf/Reader.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "absl/strings/str_cat.h"

#include "frontend/gguf/TensorTypes.h"
#include "runtime/io/Message.h"

namespace llmc::gguf {

using blocks::StorageFormat;

static constexpr uint64_t maxKeyBytes = 65535;
static constexpr uint32_t maxDimensions = 4;
static constexpr uint64_t defaultAlignment = 32;
static constexpr absl::string_view alignmentKey = "general.alignment";

/// Bytes of the smallest possible entry (key of one byte, type, one byte) and tensor (name of one byte, one
/// dimension).
static constexpr uint64_t smallestEntry = 8 + 1 + 4 + 1;
static constexpr uint64_t smallestTensor = 8 + 1 + 4 + 8 + 4 + 8;

int64_t Tensor::elements() const {
  int64_t product = 1;
  for (int64_t dimension : shape)
    product *= dimension;
  return product;
}

absl::StatusOr<Reader> Reader::open(absl::string_view path) {
  absl::StatusOr<io::MappedFile> mapped = io::MappedFile::open(path);
  if (!mapped.ok())
    return mapped.status();
  absl::StatusOr<Reader> reader = parse(path, mapped->bytes());
  if (reader.ok())
    reader->file = std::make_unique<io::MappedFile>(*std::move(mapped));
  return reader;
}

absl::StatusOr<Reader> Reader::parse(absl::string_view name, absl::Span<const uint8_t> bytes) {
  Reader reader;
  reader.filePath = std::string(name);
  if (absl::Status status = reader.readAll(bytes); !status.ok())
    return io::withContext(name, status);
  return reader;
}

/// Magic and version.
static absl::StatusOr<uint32_t> readVersion(Cursor &cursor) {
  absl::StatusOr<absl::Span<const uint8_t>> magic = cursor.take(4, "magic");
  if (!magic.ok())
    return magic.status();
  absl::string_view text(reinterpret_cast<const char *>(magic->data()), magic->size());
  if (text != "GGUF")
    return absl::InvalidArgumentError(
        absl::StrCat("is not a GGUF file: starts with ", io::quote(text), ", expected 'GGUF'"));
  absl::StatusOr<uint32_t> version = cursor.number<uint32_t>("version");
  if (!version.ok())
    return version.status();
  if (*version != 0 && (*version & 0xffff) == 0)
    return absl::UnimplementedError("is a big-endian GGUF file; only little-endian files are supported");
  if (*version != 2 && *version != 3)
    return absl::UnimplementedError(
        absl::StrCat("GGUF version ", *version, " is not supported; supported are versions 2 and 3"));
  return *version;
}

/// A count whose items need at least `smallest` bytes each in what is left of the file.
static absl::StatusOr<uint64_t> readCount(Cursor &cursor, absl::string_view what, uint64_t smallest) {
  absl::StatusOr<uint64_t> count = cursor.number<uint64_t>(absl::StrCat("number of ", what));
  if (count.ok() && *count > cursor.remaining() / smallest)
    return absl::DataLossError(absl::StrCat("header claims ", *count, " ", what,
                                            ", which do not fit into the ", cursor.remaining(),
                                            " bytes that are left of the file"));
  return count;
}

absl::Status Reader::readAll(absl::Span<const uint8_t> bytes) {
  Cursor cursor(bytes);
  absl::StatusOr<uint32_t> version = readVersion(cursor);
  if (!version.ok())
    return version.status();
  formatVersion = *version;
  absl::StatusOr<uint64_t> tensorCount = readCount(cursor, "tensors", smallestTensor);
  if (!tensorCount.ok())
    return tensorCount.status();
  absl::StatusOr<uint64_t> entryCount = readCount(cursor, "metadata entries", smallestEntry);
  if (!entryCount.ok())
    return entryCount.status();
  if (absl::Status status = readMetadata(cursor, *entryCount); !status.ok())
    return status;
  if (absl::Status status = readTensors(cursor, *tensorCount); !status.ok())
    return status;
  return placeTensors(cursor, bytes);
}

absl::Status Reader::readMetadata(Cursor &cursor, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) {
    absl::StatusOr<absl::string_view> key = cursor.string("key");
    if (!key.ok())
      return io::withContext(absl::StrCat("metadata entry ", i + 1, " of ", count), key.status());
    if (key->empty() || key->size() > maxKeyBytes)
      return absl::InvalidArgumentError(absl::StrCat("metadata entry ", i + 1, " of ", count, ": key has ",
                                                     key->size(), " bytes, expected 1 to ", maxKeyBytes));
    std::string context = absl::StrCat("metadata ", io::quote(*key));
    absl::StatusOr<uint32_t> number = cursor.number<uint32_t>("value type");
    if (!number.ok())
      return io::withContext(context, number.status());
    absl::StatusOr<ValueType> type = Value::checkType(*number);
    if (!type.ok())
      return io::withContext(context, type.status());
    absl::StatusOr<Value> value = Value::read(cursor, *type);
    if (!value.ok())
      return io::withContext(context, value.status());
    if (!entryIndex.try_emplace(*key, entries.size()).second)
      return absl::InvalidArgumentError(absl::StrCat(context, " appears twice"));
    entries.push_back({*key, *value});
  }
  return absl::OkStatus();
}

/// The dimensions of a tensor, reversed into row-major order, with a product that fits into 63 bits.
static absl::StatusOr<absl::InlinedVector<int64_t, 4>> readShape(Cursor &cursor) {
  absl::StatusOr<uint32_t> rank = cursor.number<uint32_t>("number of dimensions");
  if (!rank.ok())
    return rank.status();
  if (*rank < 1 || *rank > maxDimensions)
    return absl::InvalidArgumentError(
        absl::StrCat("has ", *rank, " dimensions, expected 1 to ", maxDimensions));
  absl::InlinedVector<int64_t, 4> shape;
  int64_t product = 1;
  for (uint32_t i = 0; i < *rank; ++i) {
    absl::StatusOr<uint64_t> dimension = cursor.number<uint64_t>("dimension");
    if (!dimension.ok())
      return dimension.status();
    if (*dimension == 0)
      return absl::InvalidArgumentError(absl::StrCat("dimension ", i, " is 0, expected at least 1"));
    if (*dimension > static_cast<uint64_t>(std::numeric_limits<int64_t>::max() / product))
      return absl::InvalidArgumentError(
          absl::StrCat("dimension ", i, " is ", *dimension, ": the number of elements overflows 63 bits"));
    product *= static_cast<int64_t>(*dimension);
    shape.push_back(static_cast<int64_t>(*dimension));
  }
  std::reverse(shape.begin(), shape.end());
  return shape;
}

/// Shape, type and offset (still relative to the data section) of a tensor whose name has been read.
static absl::Status readTensor(Cursor &cursor, Tensor &tensor) {
  absl::StatusOr<absl::InlinedVector<int64_t, 4>> shape = readShape(cursor);
  if (!shape.ok())
    return shape.status();
  absl::StatusOr<uint32_t> number = cursor.number<uint32_t>("type");
  if (!number.ok())
    return number.status();
  absl::StatusOr<StorageFormat> format = formatOfType(*number);
  if (!format.ok())
    return format.status();
  absl::StatusOr<uint64_t> offset = cursor.number<uint64_t>("offset");
  if (!offset.ok())
    return offset.status();

  const blocks::FormatTraits &traits = blocks::traitsOf(*format);
  std::string formatName(traits.name);
  if (shape->back() % traits.blockElements != 0)
    return absl::InvalidArgumentError(absl::StrCat("rows have ", shape->back(),
                                                   " elements, expected a multiple of ", traits.blockElements,
                                                   " for type ", formatName));
  tensor.shape = *std::move(shape);
  tensor.format = *format;
  tensor.fileOffset = *offset;
  if (tensor.elements() / traits.blockElements > std::numeric_limits<int64_t>::max() / traits.blockBytes)
    return absl::InvalidArgumentError(absl::StrCat("the size of ", tensor.elements(), " elements of type ",
                                                   formatName, " overflows 63 bits"));
  return absl::OkStatus();
}

absl::Status Reader::readTensors(Cursor &cursor, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) {
    absl::StatusOr<absl::string_view> name = cursor.string("name");
    if (!name.ok())
      return io::withContext(absl::StrCat("tensor ", i + 1, " of ", count), name.status());
    if (name->empty())
      return absl::InvalidArgumentError(absl::StrCat("tensor ", i + 1, " of ", count, ": name is empty"));
    std::string context = absl::StrCat("tensor ", io::quote(*name));
    Tensor tensor;
    tensor.name = *name;
    if (absl::Status status = readTensor(cursor, tensor); !status.ok())
      return io::withContext(context, status);
    if (!tensorIndex.try_emplace(*name, tensorList.size()).second)
      return absl::InvalidArgumentError(absl::StrCat(context, " appears twice"));
    tensorList.push_back(std::move(tensor));
  }
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> Reader::alignment() const {
  const Value *value = find(alignmentKey);
  if (!value)
    return defaultAlignment;
  std::optional<int64_t> alignment = value->asInteger();
  if (!alignment || *alignment < 8 || (*alignment & (*alignment - 1)) != 0 ||
      *alignment > std::numeric_limits<uint32_t>::max())
    return absl::InvalidArgumentError(absl::StrCat(
        "metadata '", alignmentKey, "': expected a power of two from 8, found ", value->describe()));
  return static_cast<uint64_t>(*alignment);
}

/// Turns the offsets of the tensors into spans of the file, which begin after the header, aligned.
absl::Status Reader::placeTensors(const Cursor &cursor, absl::Span<const uint8_t> bytes) {
  absl::StatusOr<uint64_t> alignment = this->alignment();
  if (!alignment.ok())
    return alignment.status();
  uint64_t start = (cursor.position() + *alignment - 1) / *alignment * *alignment;
  for (Tensor &tensor : tensorList) {
    std::string context = absl::StrCat("tensor ", io::quote(tensor.name));
    if (tensor.fileOffset % *alignment != 0)
      return absl::InvalidArgumentError(absl::StrCat(context, ": offset ", tensor.fileOffset,
                                                     " is not a multiple of the alignment ", *alignment));
    if (tensor.fileOffset > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) - start)
      return absl::InvalidArgumentError(
          absl::StrCat(context, ": offset ", tensor.fileOffset, " overflows 63 bits"));
    tensor.fileOffset += start;
    uint64_t size = blocks::bytesOf(tensor.format, tensor.elements());
    // Both are below 2^63.
    if (tensor.fileOffset + size > bytes.size())
      return absl::DataLossError(absl::StrCat(context, ": data ends at byte ", tensor.fileOffset + size,
                                              " but the file has ", bytes.size(), " bytes"));
    tensor.bytes = bytes.subspan(tensor.fileOffset, size);
  }

  std::vector<const Tensor *> byOffset;
  for (const Tensor &tensor : tensorList)
    byOffset.push_back(&tensor);
  std::sort(byOffset.begin(), byOffset.end(),
            [](const Tensor *a, const Tensor *b) { return a->fileOffset < b->fileOffset; });
  for (size_t i = 1; i < byOffset.size(); ++i) {
    const Tensor &before = *byOffset[i - 1], &after = *byOffset[i];
    if (before.fileOffset + before.bytes.size() > after.fileOffset)
      return absl::InvalidArgumentError(absl::StrCat(
          "tensor ", io::quote(after.name), ": data begins at byte ", after.fileOffset, ", inside tensor ",
          io::quote(before.name), ", which ends at byte ", before.fileOffset + before.bytes.size()));
  }
  return absl::OkStatus();
}

const Value *Reader::find(absl::string_view key) const {
  auto found = entryIndex.find(key);
  return found == entryIndex.end() ? nullptr : &entries[found->second].value;
}

const Tensor *Reader::findTensor(absl::string_view name) const {
  auto found = tensorIndex.find(name);
  return found == tensorIndex.end() ? nullptr : &tensorList[found->second];
}

absl::Status Reader::wrongType(absl::string_view key, absl::string_view expected) const {
  const Value *value = find(key);
  if (!value)
    return absl::NotFoundError(
        absl::StrCat(filePath, ": metadata '", key, "' is missing, expected ", expected));
  return absl::InvalidArgumentError(
      absl::StrCat(filePath, ": metadata '", key, "': expected ", expected, ", found ", value->describe()));
}

absl::StatusOr<int64_t> Reader::integer(absl::string_view key) const {
  if (const Value *value = find(key))
    if (std::optional<int64_t> content = value->asInteger())
      return *content;
  return wrongType(key, "an integer");
}

absl::StatusOr<double> Reader::number(absl::string_view key) const {
  if (const Value *value = find(key))
    if (std::optional<double> content = value->asNumber())
      return *content;
  return wrongType(key, "a number");
}

absl::StatusOr<bool> Reader::boolean(absl::string_view key) const {
  if (const Value *value = find(key))
    if (std::optional<bool> content = value->asBool())
      return *content;
  return wrongType(key, "a bool");
}

absl::StatusOr<absl::string_view> Reader::string(absl::string_view key) const {
  if (const Value *value = find(key))
    if (std::optional<absl::string_view> content = value->asString())
      return *content;
  return wrongType(key, "a string");
}

absl::StatusOr<std::vector<int64_t>> Reader::integers(absl::string_view key) const {
  if (const Value *value = find(key))
    if (std::optional<std::vector<int64_t>> content = value->asIntegers())
      return *std::move(content);
  return wrongType(key, "an array of integers");
}

absl::StatusOr<std::vector<double>> Reader::numbers(absl::string_view key) const {
  if (const Value *value = find(key))
    if (std::optional<std::vector<double>> content = value->asNumbers())
      return *std::move(content);
  return wrongType(key, "an array of numbers");
}

absl::StatusOr<std::vector<absl::string_view>> Reader::strings(absl::string_view key) const {
  if (const Value *value = find(key))
    if (std::optional<std::vector<absl::string_view>> content = value->asStrings())
      return *std::move(content);
  return wrongType(key, "an array of strings");
}

absl::StatusOr<int64_t> Reader::integerOr(absl::string_view key, int64_t missing) const {
  return find(key) ? integer(key) : missing;
}

absl::StatusOr<double> Reader::numberOr(absl::string_view key, double missing) const {
  return find(key) ? number(key) : missing;
}

absl::StatusOr<bool> Reader::booleanOr(absl::string_view key, bool missing) const {
  return find(key) ? boolean(key) : missing;
}

absl::StatusOr<absl::string_view> Reader::stringOr(absl::string_view key, absl::string_view missing) const {
  return find(key) ? string(key) : missing;
}

void Reader::advise(io::Access access, const Tensor &tensor) const {
  if (file)
    file->advise(access, tensor.fileOffset, tensor.bytes.size());
}

} // namespace llmc::gguf
