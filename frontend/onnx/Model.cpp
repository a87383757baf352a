#include "frontend/onnx/Model.h"

#include <climits>
#include <functional>
#include <optional>

#include "absl/algorithm/container.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"

#include "runtime/io/Message.h"

namespace llmc::onnx {

namespace {

using google::protobuf::internal::WireFormatLite;

/// Numbers of fields that are read where they lie.
constexpr int kGraphOfModel = 7, kInitializerOfGraph = 5, kRawDataOfTensor = 9;

absl::Status cutOff() { return absl::InvalidArgumentError("is cut off or is no ONNX model"); }

/// Goes over the fields of a serialized message. Field `number`, which has to be of bytes, is given to
/// `found`; the others are returned, serialized as they were.
absl::StatusOr<std::string> takeField(absl::Span<const uint8_t> bytes, int number,
                                      const std::function<absl::Status(absl::Span<const uint8_t>)> &found) {
  google::protobuf::io::CodedInputStream input(bytes.data(), static_cast<int>(bytes.size()));
  std::string others;
  while (true) {
    const int start = input.CurrentPosition();
    const uint32_t tag = input.ReadTag();
    if (tag == 0)
      return start == static_cast<int>(bytes.size()) ? absl::StatusOr<std::string>(others) : cutOff();
    const bool isWanted = WireFormatLite::GetTagFieldNumber(tag) == number &&
                          WireFormatLite::GetTagWireType(tag) == WireFormatLite::WIRETYPE_LENGTH_DELIMITED;
    uint32_t size = 0;
    if (!isWanted) {
      if (!WireFormatLite::SkipField(&input, tag))
        return cutOff();
      others.append(reinterpret_cast<const char *>(bytes.data()) + start, input.CurrentPosition() - start);
      continue;
    }
    if (!input.ReadVarint32(&size) || size > bytes.size() - input.CurrentPosition())
      return cutOff();
    if (absl::Status status = found(bytes.subspan(input.CurrentPosition(), size)); !status.ok())
      return status;
    input.Skip(static_cast<int>(size));
  }
}

std::string folderOf(const std::string &path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash + 1);
}

} // namespace

absl::StatusOr<Model> Model::open(const std::string &path) {
  absl::StatusOr<io::MappedFile> mapped = io::MappedFile::open(path);
  if (!mapped.ok())
    return mapped.status();
  Model model;
  model.filePath = path;
  model.file = std::make_unique<io::MappedFile>(*std::move(mapped));
  if (absl::Status status = model.read(model.file->bytes()); !status.ok())
    return io::withContext(path, status);
  return model;
}

absl::StatusOr<Model> Model::parse(const std::string &name, absl::Span<const uint8_t> bytes) {
  Model model;
  model.filePath = name;
  if (absl::Status status = model.read(bytes); !status.ok())
    return io::withContext(name, status);
  return model;
}

absl::Status Model::read(absl::Span<const uint8_t> bytes) {
  if (bytes.size() > INT_MAX)
    return absl::InvalidArgumentError(absl::StrCat("has ", bytes.size(),
                                                   " bytes, expected less than 2 GiB: the weights of larger "
                                                   "models are in files of external data"));
  bool hasGraph = false;
  absl::StatusOr<std::string> others = takeField(bytes, kGraphOfModel, [&](absl::Span<const uint8_t> graph) {
    if (hasGraph)
      return absl::InvalidArgumentError("has two graphs");
    hasGraph = true;
    return readGraph(graph);
  });
  if (!others.ok())
    return others.status();
  wire::ModelProto header;
  if (!header.ParseFromString(*others))
    return cutOff();
  if (!hasGraph)
    return absl::InvalidArgumentError("has no graph: is no ONNX model");
  return checkOperators(header);
}

absl::Status Model::checkOperators(const wire::ModelProto &header) {
  constexpr int64_t kLeast = 13, kMost = 23;
  for (const wire::OperatorSetIdProto &set : header.opset_import())
    if (set.domain().empty() || set.domain() == "ai.onnx")
      version = set.version();
  if (version < kLeast || version > kMost)
    return absl::UnimplementedError(absl::StrCat("has operators of version ", version,
                                                 ", which is not supported (supported: opset ", kLeast,
                                                 " to ", kMost, ")"));
  if (!header.functions().empty())
    return absl::UnimplementedError(
        absl::StrCat("has function ", io::quote(header.functions(0).name()),
                     ", which is not supported: expected a graph whose functions are inlined"));
  return absl::OkStatus();
}

absl::Status Model::readGraph(absl::Span<const uint8_t> bytes) {
  absl::StatusOr<std::string> others =
      takeField(bytes, kInitializerOfGraph,
                [&](absl::Span<const uint8_t> initializer) { return readInitializer(initializer); });
  if (!others.ok())
    return others.status();
  if (!body->ParseFromString(*others))
    return cutOff();
  if (!body->sparse_initializer().empty())
    return absl::UnimplementedError(absl::StrCat("tensor ",
                                                 io::quote(body->sparse_initializer(0).values().name()),
                                                 " is sparse, which is not supported"));
  return absl::OkStatus();
}

absl::Status Model::readInitializer(absl::Span<const uint8_t> bytes) {
  std::optional<absl::Span<const uint8_t>> raw;
  absl::StatusOr<std::string> others =
      takeField(bytes, kRawDataOfTensor, [&](absl::Span<const uint8_t> content) {
        raw = content;
        return absl::OkStatus();
      });
  if (!others.ok())
    return others.status();
  wire::TensorProto proto;
  if (!proto.ParseFromString(*others))
    return cutOff();
  if (raw) // Stands for the field that was taken.
    proto.set_data_location(wire::TensorProto::EXTERNAL);
  absl::StatusOr<Tensor> tensor = readTensor(proto);
  if (!tensor.ok())
    return tensor.status();
  tensor->file = filePath;
  absl::Status status = absl::OkStatus();
  if (raw)
    status = setBytes(*tensor, *raw, "raw_data");
  else if (proto.data_location() == wire::TensorProto::EXTERNAL)
    status = readExternal(proto, *tensor);
  if (!status.ok())
    return status;
  const Tensor &kept = tensors.emplace_back(*std::move(tensor));
  if (!index.try_emplace(kept.name, &kept).second)
    return absl::InvalidArgumentError(absl::StrCat("tensor ", io::quote(kept.name), " is there twice"));
  return absl::OkStatus();
}

absl::Status Model::readExternal(const wire::TensorProto &proto, Tensor &tensor) {
  const std::string context = absl::StrCat("tensor ", io::quote(tensor.name));
  auto wrong = [&](absl::string_view message) {
    return absl::InvalidArgumentError(absl::StrCat(context, ": ", message));
  };
  std::string location;
  uint64_t offset = 0;
  std::optional<uint64_t> length;
  for (const wire::StringStringEntryProto &entry : proto.external_data()) {
    uint64_t number = 0;
    const bool isNumber = absl::SimpleAtoi(entry.value(), &number);
    if (entry.key() == "location")
      location = entry.value();
    else if ((entry.key() == "offset" || entry.key() == "length") && !isNumber)
      return wrong(
          absl::StrCat("external ", entry.key(), " is ", io::quote(entry.value()), ", expected a number"));
    else if (entry.key() == "offset")
      offset = number;
    else if (entry.key() == "length")
      length = number;
  }
  absl::StatusOr<const io::MappedFile *> data = openExternal(location);
  if (!data.ok())
    return io::withContext(context, data.status());
  const absl::Span<const uint8_t> bytes = (*data)->bytes();
  const uint64_t rest = offset <= bytes.size() ? bytes.size() - offset : 0;
  const uint64_t count = length.value_or(
      std::min<uint64_t>(rest, static_cast<uint64_t>(tensor.elements()) * bytesOf(tensor.type)));
  if (offset > bytes.size() || count > rest)
    return wrong(absl::StrCat("external data is at ", offset, " and has ", count, " bytes, but ",
                              (*data)->path(), " has ", bytes.size()));
  tensor.file = (*data)->path();
  return setBytes(tensor, bytes.subspan(offset, count), "external data");
}

absl::StatusOr<const io::MappedFile *> Model::openExternal(const std::string &location) {
  // A model may not read files from anywhere else.
  const std::vector<absl::string_view> parts = absl::StrSplit(location, '/');
  const bool isPrintable = absl::c_none_of(location, [](unsigned char c) { return c < ' ' || c == 0x7f; });
  if (location.empty() || location.front() == '/' || absl::c_linear_search(parts, "..") || !isPrintable)
    return absl::InvalidArgumentError(
        absl::StrCat("external location is ", io::quote(location), ", expected a file beside the model"));
  std::unique_ptr<io::MappedFile> &found = external[location];
  if (!found) {
    absl::StatusOr<io::MappedFile> mapped = io::MappedFile::open(folderOf(filePath) + location);
    if (!mapped.ok())
      return mapped.status();
    found = std::make_unique<io::MappedFile>(*std::move(mapped));
  }
  return found.get();
}

std::vector<std::string> Model::files() const {
  std::vector<std::string> paths = {filePath};
  for (const auto &[location, mapped] : external)
    if (mapped)
      paths.push_back(mapped->path());
  return paths;
}

const Tensor *Model::findInitializer(absl::string_view name) const {
  auto found = index.find(name);
  return found == index.end() ? nullptr : found->second;
}

} // namespace llmc::onnx
