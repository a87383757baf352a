#ifndef LLMC_FRONTEND_HF_SENTENCEEMBEDDING_H
#define LLMC_FRONTEND_HF_SENTENCEEMBEDDING_H

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"

#include "frontend/hf/Directory.h"

namespace llmc::hf {

/// How the final states of the tokens become one vector: all ways that are supported.
enum class Pooling {
  /// The state of the first token ([CLS]).
  FirstToken,
  /// The mean over all tokens that are not padding.
  Mean,
  /// In each component the largest value over all tokens that are not padding.
  Max,
  /// The state of the last token that is not padding.
  LastToken,
  /// The mean over all tokens that are not padding, the first of which counts once, the second twice, and so
  /// on.
  WeightedMean,
};

/// What the files of sentence-transformers say about turning a sentence into a vector.
struct SentenceEmbedding {
  Pooling pooling;
  /// Whether the vector is divided by its Euclidean length.
  bool normalize;
  /// Sentences are cut to this many tokens, with the special ones. Nothing if the files do not say.
  std::optional<int64_t> maxTokens;
  /// Whether the text is put into lower case before it meets the tokenizer.
  bool lowercase;
};

/// Reads modules.json and the files that it names. Nothing if the directory has no modules.json and so is no
/// sentence-transformers model. Refuses modules and poolings that are not listed above by name.
absl::StatusOr<std::optional<SentenceEmbedding>> readSentenceEmbedding(const Directory &directory);

} // namespace llmc::hf

#endif // LLMC_FRONTEND_HF_SENTENCEEMBEDDING_H
