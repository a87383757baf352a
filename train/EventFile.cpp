#include "train/EventFile.h"
#include "train/event.pb.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <unistd.h>

namespace llmc::train {

namespace fs = std::filesystem;

static constexpr absl::string_view kPrefix = "events.out.tfevents.";

static constexpr std::array<uint32_t, 256> makeCrcTable() {
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t remainder = byte;
    for (int bit = 0; bit < 8; ++bit)
      remainder = (remainder >> 1) ^ ((remainder & 1) != 0 ? 0x82F63B78U : 0U);
    table[byte] = remainder;
  }
  return table;
}

uint32_t crc32c(absl::string_view bytes) {
  static constexpr std::array<uint32_t, 256> kTable = makeCrcTable();
  uint32_t crc = ~0U;
  for (char byte : bytes)
    crc = (crc >> 8) ^ kTable[(crc ^ static_cast<uint8_t>(byte)) & 0xFF];
  return ~crc;
}

static std::string littleEndian(uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i)
    text += static_cast<char>(value >> (8 * i) & 0xFF);
  return text;
}

/// Checksums of data that has checksums in it are rotated and shifted, so that they do not come to a
/// constant.
static std::string maskedCrc(absl::string_view bytes) {
  const uint32_t crc = crc32c(bytes);
  return littleEndian(static_cast<uint32_t>((crc >> 15 | crc << 17) + 0xA282EAD8U), 4);
}

absl::Status EventFile::open(absl::string_view folder, uint64_t step) {
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) != 0)
    std::strcpy(host.data(), "localhost");
  // Names sort as sessions follow each other.
  path = absl::StrFormat("%s/%s%010d.%06d.%s.%d", folder, kPrefix, absl::ToUnixSeconds(absl::Now()),
                         absl::ToUnixMicros(absl::Now()) % 1000000, host.data(), getpid());
  file.open(path, std::ios::binary | std::ios::trunc);
  Event version;
  version.set_file_version("brain.Event:2");
  if (absl::Status status = append(version); !status.ok())
    return status;
  Event start;
  start.set_step(static_cast<int64_t>(step) + 1);
  start.mutable_session()->set_status(Session::START);
  return append(start);
}

absl::Status EventFile::write(uint64_t step, absl::Span<const std::pair<absl::string_view, double>> scalars) {
  Event event;
  event.set_step(static_cast<int64_t>(step));
  for (const auto &[tag, scalar] : scalars) {
    Summary::Value &value = *event.mutable_summary()->add_value();
    value.set_tag(std::string(tag));
    value.set_simple_value(static_cast<float>(scalar));
  }
  return append(event);
}

absl::Status EventFile::append(Event &event) {
  event.set_wall_time(absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch()));
  const std::string bytes = event.SerializeAsString(), length = littleEndian(bytes.size(), 8);
  file << length << maskedCrc(length) << bytes << maskedCrc(bytes);
  file.flush();
  return file.good() ? absl::OkStatus() : absl::DataLossError(absl::StrCat(path, ": cannot be written"));
}

void removeEventFiles(absl::string_view folder) {
  std::error_code error;
  for (const fs::directory_entry &entry : fs::directory_iterator(std::string(folder), error))
    if (absl::StartsWith(entry.path().filename().string(), kPrefix))
      fs::remove(entry.path(), error);
}

} // namespace llmc::train
