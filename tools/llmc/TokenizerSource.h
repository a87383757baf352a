//===- TokenizerSource.h - a tokenizer on disk ------------------------------------------------------------===//
#ifndef LLMC_TOOLS_LLMC_TOKENIZERSOURCE_H
#define LLMC_TOOLS_LLMC_TOKENIZERSOURCE_H

#include "runtime/text/Tokenizer.h"

#include "absl/status/statusor.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace llmc::tool {

/// A tokenizer in a folder (tokenizer.json and what stands beside it), or the file itself.
struct TokenizerSource {
  std::string model; ///< serialized
  /// Its files, by name.
  std::vector<std::pair<std::string, std::string>> files;
};

absl::StatusOr<std::string> readWhole(const std::string &path);
absl::StatusOr<TokenizerSource> readTokenizer(const std::string &path);
absl::StatusOr<std::unique_ptr<text::Tokenizer>> makeTokenizer(const TokenizerSource &source);

} // namespace llmc::tool

#endif // LLMC_TOOLS_LLMC_TOKENIZERSOURCE_H
