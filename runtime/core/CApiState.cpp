#include "runtime/core/CApiState.h"

#include "runtime/core/ArtifactText.h"
#include "runtime/io/Message.h"

#include "absl/strings/str_cat.h"

#include <exception>
#include <new>
#include <string>

absl::StatusOr<std::shared_ptr<const llmc::text::Tokenizer>> LlmcModel::tokenizer() const {
  std::lock_guard<std::mutex> lock(tokenizerMutex);
  if (madeTokenizer == nullptr) {
    absl::StatusOr<std::unique_ptr<llmc::text::Tokenizer>> made =
        llmc::runtime::loadTokenizer(artifact->manifest());
    if (!made.ok())
      return llmc::io::withContext(artifact->path(), made.status());
    madeTokenizer = *std::move(made);
  }
  return madeTokenizer;
}

namespace llmc::runtime::c {
namespace {

std::string &lastError() {
  thread_local std::string message;
  return message;
}

LlmcStatus statusOf(absl::StatusCode code) {
  switch (code) {
  case absl::StatusCode::kOk:
    return LLMC_OK;
  case absl::StatusCode::kInvalidArgument:
    return LLMC_INVALID_ARGUMENT;
  case absl::StatusCode::kOutOfRange:
    return LLMC_TOO_LONG;
  case absl::StatusCode::kNotFound:
  case absl::StatusCode::kPermissionDenied:
    return LLMC_CANNOT_READ;
  case absl::StatusCode::kDataLoss:
    return LLMC_DAMAGED;
  case absl::StatusCode::kFailedPrecondition:
  case absl::StatusCode::kUnimplemented:
    return LLMC_UNSUPPORTED;
  case absl::StatusCode::kResourceExhausted:
    return LLMC_OUT_OF_MEMORY;
  default:
    return LLMC_INTERNAL;
  }
}

LlmcStatus finish(const absl::Status &status) {
  if (!status.ok())
    lastError() = std::string(status.message());
  return statusOf(status.code());
}

} // namespace

LlmcStatus guarded(absl::FunctionRef<absl::Status()> body) {
  try {
    return finish(body());
  } catch (const std::bad_alloc &) {
    return finish(absl::ResourceExhaustedError("out of memory"));
  } catch (const std::exception &error) {
    return finish(absl::InternalError(error.what()));
  }
}

absl::Status requireNotNull(std::initializer_list<std::pair<const char *, const void *>> arguments) {
  for (auto [name, pointer] : arguments)
    if (pointer == nullptr)
      return absl::InvalidArgumentError(absl::StrCat("argument '", name, "' is null"));
  return absl::OkStatus();
}

} // namespace llmc::runtime::c

const char *llmc_last_error(void) { return llmc::runtime::c::lastError().c_str(); }
