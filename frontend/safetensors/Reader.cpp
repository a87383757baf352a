#include "frontend/safetensors/Reader.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

#include "frontend/json/Parse.h"
#include "runtime/io/Message.h"

namespace llmc::safetensors {

using Json = nlohmann::json;

/// The reference implementation refuses longer headers as well.
static constexpr uint64_t maxHeaderBytes = 100'000'000;
static constexpr size_t maxDimensions = 8;
static constexpr int64_t maxInt64 = std::numeric_limits<int64_t>::max();

struct TypeTraits {
  absl::string_view name;
  int bits;
};

/// In the order of ElementType.
static constexpr TypeTraits typeTraits[] = {
    {"BOOL", 8},    {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},   {"I8", 8},    {"F8_E5M2", 8},
    {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"I16", 16},    {"U16", 16},    {"F16", 16}, {"BF16", 16}, {"I32", 32},
    {"U32", 32},    {"F32", 32},    {"C64", 64},    {"F64", 64},    {"I64", 64}, {"U64", 64},
};

absl::string_view nameOf(ElementType type) { return typeTraits[static_cast<size_t>(type)].name; }
int bitsOf(ElementType type) { return typeTraits[static_cast<size_t>(type)].bits; }

static std::optional<ElementType> parseType(absl::string_view name) {
  for (size_t i = 0; i < std::size(typeTraits); ++i)
    if (typeTraits[i].name == name)
      return static_cast<ElementType>(i);
  return std::nullopt;
}

int64_t Tensor::elements() const {
  int64_t product = 1;
  for (int64_t dimension : shape)
    product *= dimension;
  return product;
}

absl::StatusOr<blocks::StorageFormat> Tensor::weightFormat() const {
  if (bytes.empty())
    return absl::InvalidArgumentError(absl::StrCat("tensor ", io::quote(name), ": has no elements"));
  switch (type) {
  case ElementType::F32:
    return blocks::StorageFormat::F32;
  case ElementType::F16:
    return blocks::StorageFormat::F16;
  case ElementType::BF16:
    return blocks::StorageFormat::BF16;
  default:
    return absl::UnimplementedError(
        absl::StrCat("tensor ", io::quote(name), ": type ", nameOf(type),
                     " is not supported for weights; supported are F32, F16, BF16"));
  }
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
  if (absl::Status status = reader.readHeader(bytes); !status.ok())
    return io::withContext(name, status);
  return reader;
}

static absl::Status wrongField(absl::string_view field, const Json &entry, absl::string_view expected) {
  auto found = entry.find(std::string(field));
  return absl::InvalidArgumentError(absl::StrCat("field '", field, "': expected ", expected, ", found ",
                                                 found == entry.end() ? "nothing" : json::describe(*found)));
}

/// Integers from 0 to 2^63 - 1 in the array at `field`.
static absl::StatusOr<absl::InlinedVector<int64_t, 4>> readIntegers(const Json &entry,
                                                                    absl::string_view field) {
  constexpr absl::string_view expected = "an array of integers from 0 to 2^63 - 1";
  auto found = entry.find(std::string(field));
  if (found == entry.end() || !found->is_array())
    return wrongField(field, entry, expected);
  absl::InlinedVector<int64_t, 4> integers;
  for (const Json &element : *found) {
    if (!element.is_number_unsigned() || element.get<uint64_t>() > uint64_t{maxInt64})
      return absl::InvalidArgumentError(absl::StrCat("field '", field, "': expected ", expected, ", found ",
                                                     json::describe(element), " in it"));
    integers.push_back(element.get<int64_t>());
  }
  return integers;
}

/// Bytes of a tensor of this shape and type.
static absl::StatusOr<uint64_t> sizeOf(const Tensor &tensor) {
  if (tensor.shape.size() > maxDimensions)
    return absl::InvalidArgumentError(absl::StrCat("field 'shape': expected at most ", maxDimensions,
                                                   " dimensions, found ", tensor.shape.size()));
  int64_t bits = bitsOf(tensor.type);
  for (int64_t dimension : tensor.shape) {
    // A dimension of 0 must not hide an overflow: products of any part of the shape are used elsewhere.
    if (dimension > maxInt64 / bits)
      return absl::InvalidArgumentError(
          absl::StrCat("field 'shape': the size of the tensor overflows 63 bits"));
    bits *= std::max<int64_t>(dimension, 1);
  }
  if (std::find(tensor.shape.begin(), tensor.shape.end(), 0) != tensor.shape.end())
    return 0;
  if (bits % 8 != 0)
    return absl::InvalidArgumentError(absl::StrCat("field 'shape': ", tensor.elements(), " elements of type ",
                                                   nameOf(tensor.type), " do not fill whole bytes"));
  return bits / 8;
}

/// The tensor that a header entry describes; its bytes are not yet placed, fileOffset is relative to the
/// data.
static absl::StatusOr<Tensor> readTensor(const std::string &name, const Json &entry, uint64_t dataSize) {
  if (!entry.is_object())
    return absl::InvalidArgumentError(absl::StrCat("expected an object, found ", json::describe(entry)));
  Tensor tensor;
  tensor.name = name;
  auto dtype = entry.find("dtype");
  if (dtype == entry.end() || !dtype->is_string())
    return wrongField("dtype", entry, "a string");
  std::optional<ElementType> type = parseType(dtype->get_ref<const std::string &>());
  if (!type)
    return wrongField("dtype", entry, "a type that safetensors defines");
  tensor.type = *type;
  absl::StatusOr<absl::InlinedVector<int64_t, 4>> shape = readIntegers(entry, "shape");
  if (!shape.ok())
    return shape.status();
  tensor.shape = *std::move(shape);
  absl::StatusOr<uint64_t> size = sizeOf(tensor);
  if (!size.ok())
    return size.status();

  absl::StatusOr<absl::InlinedVector<int64_t, 4>> offsets = readIntegers(entry, "data_offsets");
  if (!offsets.ok())
    return offsets.status();
  if (offsets->size() != 2)
    return wrongField("data_offsets", entry, "a begin and an end");
  uint64_t begin = (*offsets)[0], end = (*offsets)[1];
  if (begin > end)
    return absl::InvalidArgumentError(
        absl::StrCat("field 'data_offsets': begin ", begin, " lies behind end ", end));
  if (end > dataSize)
    return absl::DataLossError(
        absl::StrCat("data ends at byte ", end, " of the data section, which has ", dataSize, " bytes"));
  if (end - begin != *size)
    return absl::InvalidArgumentError(absl::StrCat("field 'data_offsets': span ", end - begin,
                                                   " bytes, expected ", *size, " from shape and dtype"));
  tensor.fileOffset = begin;
  tensor.bytes = {static_cast<const uint8_t *>(nullptr), end - begin};
  return tensor;
}

absl::Status Reader::readHeader(absl::Span<const uint8_t> bytes) {
  uint64_t headerSize = 0;
  if (bytes.size() < sizeof(headerSize))
    return absl::DataLossError(
        absl::StrCat("the file has ", bytes.size(), " bytes, expected at least the 8 of the header length"));
  std::memcpy(&headerSize, bytes.data(), sizeof(headerSize));
  bytes.remove_prefix(sizeof(headerSize));
  if (headerSize > maxHeaderBytes)
    return absl::InvalidArgumentError(absl::StrCat("is not a safetensors file: header length is ", headerSize,
                                                   ", expected at most ", maxHeaderBytes));
  if (headerSize > bytes.size())
    return absl::DataLossError(absl::StrCat("header ends at byte ", headerSize + sizeof(headerSize),
                                            " but the file has ", bytes.size() + sizeof(headerSize),
                                            " bytes"));
  absl::string_view text(reinterpret_cast<const char *>(bytes.data()), headerSize);
  if (text.empty() || text[0] != '{')
    return absl::InvalidArgumentError(absl::StrCat("is not a safetensors file: header starts with ",
                                                   io::quote(text.substr(0, 1)), ", expected '{'"));
  absl::StatusOr<Json> header = json::parse(text);
  if (!header.ok())
    return io::withContext("header", header.status());

  absl::Span<const uint8_t> dataBytes = bytes.subspan(headerSize);
  for (const auto &[name, entry] : header->items()) {
    if (name == "__metadata__") {
      if (!entry.is_object())
        return absl::InvalidArgumentError(
            absl::StrCat("field '__metadata__': expected an object, found ", json::describe(entry)));
      for (const auto &[key, value] : entry.items()) {
        if (!value.is_string())
          return absl::InvalidArgumentError(absl::StrCat("field '__metadata__': ", io::quote(key),
                                                         ": expected a string, found ",
                                                         json::describe(value)));
        strings.emplace_back(key, value.get<std::string>());
      }
      continue;
    }
    absl::StatusOr<Tensor> tensor = readTensor(name, entry, dataBytes.size());
    if (!tensor.ok())
      return io::withContext(absl::StrCat("tensor ", io::quote(name)), tensor.status());
    tensor->bytes = dataBytes.subspan(tensor->fileOffset, tensor->bytes.size());
    tensorList.push_back(*std::move(tensor));
  }
  return checkLayout(headerSize + sizeof(headerSize), bytes.size() + sizeof(headerSize));
}

/// The data of the tensors must fill the rest of the file: no overlap, no hole, nothing behind.
absl::Status Reader::checkLayout(uint64_t dataStart, uint64_t fileSize) {
  std::sort(tensorList.begin(), tensorList.end(), [](const Tensor &a, const Tensor &b) {
    return std::pair(a.fileOffset, a.bytes.size()) < std::pair(b.fileOffset, b.bytes.size());
  });
  uint64_t end = dataStart;
  const Tensor *before = nullptr;
  for (Tensor &tensor : tensorList) {
    tensor.fileOffset += dataStart;
    if (tensor.fileOffset < end)
      return absl::InvalidArgumentError(
          absl::StrCat("tensor ", io::quote(tensor.name), ": data begins at byte ", tensor.fileOffset,
                       ", inside tensor ", io::quote(before->name), ", which ends at byte ", end));
    if (tensor.fileOffset > end)
      return absl::InvalidArgumentError(absl::StrCat("tensor ", io::quote(tensor.name),
                                                     ": data begins at byte ", tensor.fileOffset,
                                                     ", expected ", end, ", where the data before it ends"));
    end = tensor.fileOffset + tensor.bytes.size();
    before = &tensor;
  }
  if (end != fileSize)
    return absl::InvalidArgumentError(
        absl::StrCat("the tensors end at byte ", end, " but the file has ", fileSize, " bytes"));
  for (size_t i = 0; i < tensorList.size(); ++i)
    index.emplace(tensorList[i].name, i);
  return absl::OkStatus();
}

const Tensor *Reader::find(absl::string_view name) const {
  auto found = index.find(name);
  return found == index.end() ? nullptr : &tensorList[found->second];
}

void Reader::advise(io::Access access, const Tensor &tensor) const {
  if (file)
    file->advise(access, tensor.fileOffset, tensor.bytes.size());
}

} // namespace llmc::safetensors
