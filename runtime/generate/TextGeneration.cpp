#include "runtime/generate/TextGeneration.h"

#include "runtime/generate/StopStrings.h"

#include <utility>

namespace llmc::generate {

namespace {

/// The text of a completion as it grows.
class Writer {
public:
  Writer(const TextOptions &options, absl::FunctionRef<bool(absl::string_view)> onText)
      : stops(options.stopStrings), onText(onText) {}

  /// Passes on what of `part` is before a stop string. False: the generation ends.
  bool write(absl::string_view part) { return emit(stops.push(part)) && !stops.found(); }
  /// Passes on what was held back, which is nothing after a stop string.
  void finish() { emit(stops.finish()); }

  bool reachedStopString() const { return stops.found(); }
  std::string takeText() { return std::move(text); }

private:
  bool emit(const std::string &part) {
    text += part;
    return part.empty() || onText(part);
  }

  StopStrings stops;
  absl::FunctionRef<bool(absl::string_view)> onText;
  std::string text;
};

} // namespace

absl::StatusOr<Completion> completeText(Engine engine, const text::Tokenizer &tokenizer,
                                        absl::Span<const int32_t> prompt, const TextOptions &options,
                                        absl::FunctionRef<bool(absl::string_view text)> onText) {
  text::StreamingDetokenizer detokenizer(tokenizer);
  Writer writer(options, onText);
  absl::StatusOr<runtime::Generation> generation = engine(
      prompt, options.generation, [&](int32_t token) { return writer.write(detokenizer.push(token)); });
  if (!generation.ok())
    return generation.status();
  writer.write(detokenizer.finish());
  writer.finish();

  Completion completion;
  completion.tokens = std::move(generation->tokens);
  completion.scores = std::move(generation->scores);
  completion.stats = generation->stats;
  completion.finishReason =
      writer.reachedStopString() ? "stop" : std::string(runtime::nameOf(generation->reason));
  completion.text = writer.takeText();
  return completion;
}

} // namespace llmc::generate
