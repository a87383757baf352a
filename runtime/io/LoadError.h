#ifndef LLMC_RUNTIME_IO_LOADERROR_H
#define LLMC_RUNTIME_IO_LOADERROR_H

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace llmc::io {

/// The error of a dlopen() of the file at `path` that failed for `reason`, in words that do not name the
/// path. kPermissionDenied if the file system is mounted noexec: no code can be loaded from there, which is
/// no fault of the file. kInternal otherwise.
absl::Status loadError(const std::string &path, absl::string_view reason);

} // namespace llmc::io

#endif // LLMC_RUNTIME_IO_LOADERROR_H
