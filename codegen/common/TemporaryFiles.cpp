//===- TemporaryFiles.cpp - the folder for temporary files
//-----------------------------------------------===//

#include "codegen/common/TemporaryFiles.h"

#include "absl/strings/str_cat.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/Path.h"

namespace llmc::codegen {

absl::Status temporaryFilesError(std::error_code reason) {
  llvm::SmallString<128> folder;
  llvm::sys::path::system_temp_directory(/*erasedOnReboot=*/true, folder);
  return absl::PermissionDeniedError(
      absl::StrCat(folder.c_str(), ": no temporary files can be made there: ", reason.message(),
                   "; the environment variable TMPDIR names another folder"));
}

} // namespace llmc::codegen
