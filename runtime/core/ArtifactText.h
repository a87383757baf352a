//===- ArtifactText.h - the tokenizer in an artifact --------------------------------------------------===//
#ifndef LLMC_RUNTIME_CORE_ARTIFACTTEXT_H
#define LLMC_RUNTIME_CORE_ARTIFACTTEXT_H

#include "runtime/core/artifact.pb.h"
#include "runtime/text/Tokenizer.h"

#include "absl/status/statusor.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace llmc::runtime {

/// The tokenizer of an artifact. Fails if the artifact has none or if it is malformed.
absl::StatusOr<std::unique_ptr<text::Tokenizer>> loadTokenizer(const Manifest &manifest);

/// The ids that end a generation: those of the manifest's defaults and those of the tokenizer, by rising id.
std::vector<int32_t> stopTokens(const Manifest &manifest);

} // namespace llmc::runtime

#endif // LLMC_RUNTIME_CORE_ARTIFACTTEXT_H
