//===- CApiState.h - what the functions of llmc.h share -----------------------------------------------===//
#ifndef LLMC_RUNTIME_CORE_CAPISTATE_H
#define LLMC_RUNTIME_CORE_CAPISTATE_H

#include "runtime/core/Artifact.h"
#include "runtime/core/llmc.h"
#include "runtime/text/Tokenizer.h"

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

#include <initializer_list>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

/// What the handle of the C interface to a loaded model stands for.
struct LlmcModel {
  std::shared_ptr<const llmc::runtime::Artifact> artifact;
  std::vector<int32_t> stopTokens;

  /// The tokenizer, made when it is first needed.
  absl::StatusOr<std::shared_ptr<const llmc::text::Tokenizer>> tokenizer() const;

private:
  mutable std::mutex tokenizerMutex;
  mutable std::shared_ptr<const llmc::text::Tokenizer> madeTokenizer;
};

namespace llmc::runtime::c {

/// Runs `body` and turns what it returns into a status of the C interface, with its message for
/// llmc_last_error. No exception gets out.
LlmcStatus guarded(absl::FunctionRef<absl::Status()> body);

/// OK, or which of the named arguments is null.
absl::Status requireNotNull(std::initializer_list<std::pair<const char *, const void *>> arguments);

} // namespace llmc::runtime::c

#endif // LLMC_RUNTIME_CORE_CAPISTATE_H
