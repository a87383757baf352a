#ifndef LLMC_RUNTIME_IO_MESSAGE_H
#define LLMC_RUNTIME_IO_MESSAGE_H

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace llmc::io {

/// `text` from a file, made fit for a message of one line: in single quotes, with control characters and
/// invalid UTF-8 escaped, and cut after about 100 bytes.
std::string quote(absl::string_view text);

/// `status` with "context: " put before its message; an OK status stays as it is. Layers add what they know,
/// from the outside in: the file, the part of it, the field.
absl::Status withContext(absl::string_view context, const absl::Status &status);

} // namespace llmc::io

#endif // LLMC_RUNTIME_IO_MESSAGE_H
