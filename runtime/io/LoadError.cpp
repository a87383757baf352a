#include "runtime/io/LoadError.h"

#include <sys/statvfs.h>

#include "absl/strings/str_cat.h"

namespace llmc::io {

absl::Status loadError(const std::string &path, absl::string_view reason) {
  struct statvfs fileSystem;
  if (::statvfs(path.c_str(), &fileSystem) == 0 && (fileSystem.f_flag & ST_NOEXEC) != 0)
    return absl::PermissionDeniedError(
        "its file system is mounted noexec, but code is loaded from it; expected one without noexec");
  return absl::InternalError(absl::StrCat("code cannot be loaded: ", reason));
}

} // namespace llmc::io
