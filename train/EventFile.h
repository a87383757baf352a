//===- EventFile.h - scalars for TensorBoard ------------------------------------------------------------===//
//
// A file events.out.tfevents.* is a sequence of records, as TensorFlow frames them: the length (8 bytes,
// little endian), its masked CRC-32C, an Event (event.proto), and its masked CRC-32C.
//
//===----------------------------------------------------------------------------------------------------===//
#ifndef LLMC_TRAIN_EVENTFILE_H
#define LLMC_TRAIN_EVENTFILE_H

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include <cstdint>
#include <fstream>
#include <string>
#include <utility>

namespace llmc::train {

class Event;

/// CRC-32C (Castagnoli; RFC 3720, B.4) of `bytes`.
uint32_t crc32c(absl::string_view bytes);

/// Writes the scalars of one session of a run. Sessions have files of their own, which TensorBoard reads in
/// turn.
class EventFile {
public:
  /// Begins a new file in `folder`, of steps after `step`.
  absl::Status open(absl::string_view folder, uint64_t step);

  /// Writes values of `step` by their tags, and flushes.
  absl::Status write(uint64_t step, absl::Span<const std::pair<absl::string_view, double>> scalars);

private:
  absl::Status append(Event &event);

  std::string path;
  std::ofstream file;
};

/// Removes event files in `folder`.
void removeEventFiles(absl::string_view folder);

} // namespace llmc::train

#endif // LLMC_TRAIN_EVENTFILE_H
