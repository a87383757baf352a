//===- TextGeneration.h - text in, text out -------------------------------------------------------------===//
#ifndef LLMC_RUNTIME_GENERATE_TEXTGENERATION_H
#define LLMC_RUNTIME_GENERATE_TEXTGENERATION_H

#include "runtime/core/Generator.h"
#include "runtime/text/Tokenizer.h"

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include <cstdint>
#include <string>
#include <vector>

namespace llmc::generate {

/// How to continue a text, and when to end.
struct TextOptions {
  runtime::GenerationOptions generation; ///< of the tokens
  /// The text ends before the first of them that comes. None by default.
  std::vector<std::string> stopStrings;
};

/// What a model wrote.
struct Completion {
  std::string text;
  /// The tokens that were made, the one that completed a stop string among them.
  std::vector<int32_t> tokens;
  std::vector<runtime::TokenScore> scores; ///< of each token, if that was asked for
  /// "stop" (the model ended, or a stop string came), "length", "context" or "cancelled".
  std::string finishReason;
  runtime::GenerationStats stats;
};

/// What continues a sequence of ids, with the contract of runtime::generate.
using Engine = absl::FunctionRef<absl::StatusOr<runtime::Generation>(
    absl::Span<const int32_t> prompt, const runtime::GenerationOptions &options,
    absl::FunctionRef<bool(int32_t token)> onToken)>;

/// The engine that continues `sequence`, which must outlive it.
inline auto engineOf(runtime::TokenSequence &sequence) {
  return [&sequence](absl::Span<const int32_t> prompt, const runtime::GenerationOptions &options,
                     absl::FunctionRef<bool(int32_t token)> onToken) {
    return runtime::generate(sequence, prompt, options, onToken);
  };
}

/// Continues `prompt`. `onText` gets the text as it comes, in whole UTF-8 characters, and ends the generation
/// by returning false; what it gets adds up to the text of the result. Special tokens are not part of the
/// text.
absl::StatusOr<Completion> completeText(Engine engine, const text::Tokenizer &tokenizer,
                                        absl::Span<const int32_t> prompt, const TextOptions &options,
                                        absl::FunctionRef<bool(absl::string_view text)> onText);

} // namespace llmc::generate

#endif // LLMC_RUNTIME_GENERATE_TEXTGENERATION_H
