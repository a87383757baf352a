#include "train/TokenFile.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace llmc::train {

namespace {

struct Header {
  char magic[8];
  uint32_t tokenBytes, vocabulary;
  uint64_t tokens, documents, tableOffset;
  uint32_t labelKind, nameBytes;
  uint32_t groupSize; // 0: 1
  uint32_t reserved[3];
};
static_assert(sizeof(Header) == 64);
constexpr char kMagic[] = "LLMCTOK1";

/// What lies behind the table of documents.
uint64_t labelBytes(const Header &header) {
  const uint64_t count = header.labelKind == 0                                          ? 0
                         : header.labelKind == static_cast<uint32_t>(LabelKind::Tokens) ? header.tokens
                                                                                        : header.documents;
  return 4 * count + header.nameBytes;
}

absl::Span<const uint8_t> bytesOf(const void *data, size_t size) {
  return absl::MakeConstSpan(static_cast<const uint8_t *>(data), size);
}

} // namespace

absl::StatusOr<TokenFile> TokenFile::open(absl::string_view path) {
  absl::StatusOr<io::MappedFile> mapped = io::MappedFile::open(path);
  if (!mapped.ok())
    return mapped.status();
  auto damaged = [&](absl::string_view what) { return absl::DataLossError(absl::StrCat(path, ": ", what)); };
  TokenFile opened(*std::move(mapped));
  const absl::Span<const uint8_t> bytes = opened.file.bytes();
  Header header;
  if (bytes.size() < sizeof(header) || std::memcmp(bytes.data(), kMagic, 8) != 0)
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": is no token file, expected one that llmc data pack wrote"));
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (header.labelKind > static_cast<uint32_t>(LabelKind::Numbers))
    return damaged(
        absl::StrCat("has labels of kind ", header.labelKind, ", which this program does not know"));
  if ((header.tokenBytes != 2 && header.tokenBytes != 4) || header.vocabulary == 0)
    return damaged(absl::StrCat("has tokens of ", header.tokenBytes, " bytes and a vocabulary of ",
                                header.vocabulary, ", expected 2 or 4 bytes and a positive vocabulary"));
  const uint64_t most = bytes.size();
  if (header.tokens > most || header.documents > most || header.tableOffset > most ||
      header.tableOffset < sizeof(header) + header.tokens * header.tokenBytes ||
      header.tableOffset % 8 != 0 || header.tableOffset + header.documents * 8 + labelBytes(header) != most)
    return damaged("was cut short or is damaged: its size is not what its header says");
  opened.tokenBytes = header.tokenBytes;
  opened.vocabularySize = header.vocabulary;
  opened.tokenCount = static_cast<int64_t>(header.tokens);
  opened.documentCount = static_cast<int64_t>(header.documents);
  opened.tableOffset = static_cast<int64_t>(header.tableOffset);
  opened.documentsInGroup = std::max<int64_t>(header.groupSize, 1);
  if (opened.documentCount % opened.documentsInGroup != 0)
    return damaged(absl::StrCat("has ", header.documents, " documents in groups of ", header.groupSize));
  if (opened.tokenCount == 0 || opened.documentCount == 0)
    return absl::InvalidArgumentError(absl::StrCat(path, ": has no tokens"));
  for (int64_t i = 0; i < opened.documentCount; ++i)
    if (opened.documentEnd(i) <= opened.documentBegin(i) || opened.documentEnd(i) > opened.tokenCount)
      return damaged(absl::StrCat("is damaged: document ", i, " ends with token ", opened.documentEnd(i)));
  if (opened.documentEnd(opened.documentCount - 1) != opened.tokenCount)
    return damaged("is damaged: its last document does not end with its last token");
  if (absl::Status status = opened.readLabels(header.labelKind, header.nameBytes); !status.ok())
    return damaged(status.message());
  return opened;
}

absl::Status TokenFile::readLabels(uint32_t kindNumber, uint64_t nameBytes) {
  kind = static_cast<LabelKind>(kindNumber);
  if (kind == LabelKind::None || kind == LabelKind::Numbers)
    return absl::OkStatus();
  const auto *end = reinterpret_cast<const char *>(file.bytes().data() + file.bytes().size());
  names = absl::StrSplit(absl::string_view(end - nameBytes, nameBytes), '\n', absl::SkipEmpty());
  const int64_t count = kind == LabelKind::Tokens ? tokenCount : documentCount;
  const int32_t least = kind == LabelKind::Tokens ? -1 : 0;
  for (int64_t i = 0; i < count; ++i)
    if (label(i) < least || label(i) >= static_cast<int64_t>(names.size()))
      return absl::DataLossError(
          absl::StrCat("is damaged: label ", i, " is ", label(i), " of ", names.size(), " labels"));
  return absl::OkStatus();
}

int32_t TokenFile::label(int64_t index) const {
  int32_t label;
  std::memcpy(&label, file.bytes().data() + tableOffset + 8 * documentCount + 4 * index, sizeof(label));
  return label;
}

float TokenFile::number(int64_t document) const { return std::bit_cast<float>(label(document)); }

int64_t TokenFile::documentEnd(int64_t index) const {
  uint64_t end;
  std::memcpy(&end, file.bytes().data() + tableOffset + 8 * index, sizeof(end));
  return static_cast<int64_t>(end);
}

int32_t TokenFile::token(int64_t index) const {
  const uint8_t *place = file.bytes().data() + sizeof(Header) + index * tokenBytes;
  if (tokenBytes == 2) {
    uint16_t token;
    std::memcpy(&token, place, sizeof(token));
    return token;
  }
  int32_t token;
  std::memcpy(&token, place, sizeof(token));
  return token;
}

absl::StatusOr<TokenFileWriter> TokenFileWriter::create(absl::string_view path, int64_t vocabulary,
                                                        int64_t groupSize) {
  absl::StatusOr<io::AtomicFile> file = io::AtomicFile::create(path);
  if (!file.ok())
    return file.status();
  const Header room = {}; // what it says is known at the end
  if (absl::Status status = file->append(bytesOf(&room, sizeof(room))); !status.ok())
    return status;
  return TokenFileWriter(*std::move(file), vocabulary, groupSize);
}

absl::Status TokenFileWriter::append(absl::Span<const int32_t> document, float number) {
  const auto bits = std::bit_cast<int32_t>(number);
  return append(document, absl::MakeConstSpan(&bits, 1));
}

absl::Status TokenFileWriter::append(absl::Span<const int32_t> document,
                                     absl::Span<const int32_t> documentLabels) {
  if (document.empty())
    return absl::OkStatus();
  labels.insert(labels.end(), documentLabels.begin(), documentLabels.end());
  buffer.clear();
  const size_t size = vocabulary <= 65536 ? 2 : 4;
  for (int32_t token : document) {
    const auto *bytes = reinterpret_cast<const uint8_t *>(&token);
    buffer.insert(buffer.end(), bytes, bytes + size);
    largest = std::max(largest, token);
  }
  tokenCount += static_cast<int64_t>(document.size());
  ends.push_back(tokenCount);
  return file.append(buffer);
}

absl::Status TokenFileWriter::commit(LabelKind kind, absl::Span<const std::string> names,
                                     absl::Span<const int32_t> order) {
  (void)file.alignTo(8);
  Header header = {};
  std::memcpy(header.magic, kMagic, 8);
  header.tokenBytes = vocabulary <= 65536 ? 2 : 4;
  header.vocabulary = static_cast<uint32_t>(largest) + 1;
  header.tokens = tokenCount;
  header.documents = ends.size();
  header.tableOffset = file.offset();
  (void)file.append(bytesOf(ends.data(), ends.size() * sizeof(uint64_t)));
  if (kind == LabelKind::Documents || kind == LabelKind::Tokens)
    for (int32_t &label : labels)
      label = label < 0 ? label : order[label];
  (void)file.append(bytesOf(labels.data(), labels.size() * sizeof(int32_t)));
  const std::string lines = absl::StrJoin(names, "\n");
  (void)file.append(lines);
  header.labelKind = static_cast<uint32_t>(kind);
  header.groupSize = static_cast<uint32_t>(groupSize);
  header.nameBytes = static_cast<uint32_t>(lines.size());
  (void)file.writeAt(0, bytesOf(&header, sizeof(header)));
  return file.commit();
}

} // namespace llmc::train
