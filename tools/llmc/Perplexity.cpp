//===- Perplexity.cpp - llmc perplexity -------------------------------------------------------------------===//
#include "tools/llmc/Commands.h"
#include "tools/llmc/Interrupt.h"
#include "tools/llmc/Json.h"
#include "tools/llmc/Model.h"
#include "tools/llmc/OptionChecks.h"
#include "tools/llmc/Progress.h"

#include "runtime/core/Perplexity.h"
#include "runtime/io/MappedFile.h"
#include "runtime/io/Message.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <optional>

namespace llmc::tool {

namespace {

struct PerplexityCommandOptions {
  ModelOptions model;
  std::string text;
  std::optional<int> window, stride;
  bool json = false;
};

/// Bytes of the file at `path` and their tokens.
struct TokenizedText {
  size_t bytes;
  std::vector<int32_t> tokens;
};

absl::StatusOr<TokenizedText> readText(const std::string &path, const text::Tokenizer &tokenizer) {
  absl::StatusOr<io::MappedFile> file = io::MappedFile::open(path);
  if (!file.ok())
    return file.status();
  const absl::string_view text(reinterpret_cast<const char *>(file->bytes().data()), file->size());
  absl::StatusOr<std::vector<int32_t>> tokens = tokenizer.encode(text, {.addSpecialTokens = false});
  if (!tokens.ok())
    return io::withContext(path, tokens.status());
  return TokenizedText{text.size(), *std::move(tokens)};
}

/// The token that the model's texts begin with, if they do.
absl::StatusOr<std::vector<int32_t>> prefixOf(const text::Tokenizer &tokenizer) {
  absl::StatusOr<std::vector<int32_t>> around = tokenizer.encode("");
  if (!around.ok())
    return around.status();
  const std::optional<int32_t> bos = tokenizer.bosId();
  if (!around->empty() && bos && around->front() == *bos)
    return std::vector<int32_t>{*bos};
  return std::vector<int32_t>();
}

void print(const PerplexityCommandOptions &options, const runtime::PerplexityOptions &cut,
           const runtime::Perplexity &result, size_t bytes, double seconds) {
  const double bitsPerByte = result.sum / std::log(2.0) / static_cast<double>(bytes);
  if (options.json) {
    printJson({{"model", options.model.path},
               {"text", options.text},
               {"perplexity", result.value()},
               {"negative_log_likelihood", result.mean()},
               {"standard_error", result.standardError()},
               {"bits_per_byte", bitsPerByte},
               {"tokens", result.tokens},
               {"windows", result.windows},
               {"window", cut.window},
               {"stride", cut.stride},
               {"seconds", seconds}});
    return;
  }
  absl::PrintF("perplexity %.4f (%.4f to %.4f), %.4f bits a byte\n", result.value(),
               std::exp(result.mean() - result.standardError()),
               std::exp(result.mean() + result.standardError()), bitsPerByte);
  std::fflush(stdout);
  absl::FPrintF(stderr, "%d tokens in %d windows of %d, one every %d; %.1f tokens/s\n", result.tokens,
                result.windows, cut.window, cut.stride, static_cast<double>(result.tokens) / seconds);
}

ExitCode perplexity(const PerplexityCommandOptions &options) {
  ExitCode code = ExitCode::Success;
  Model model = loadModel(options.model, runtime::GENERATE, code);
  if (!model.artifact)
    return code;
  if (model.session->readsSource())
    return fail(absl::UnimplementedError(absl::StrCat(
        options.model.path, ": reads a source before it writes, expected a model that goes on with a text")));
  absl::StatusOr<TokenizedText> text = readText(options.text, *model.tokenizer);
  if (!text.ok())
    return fail(text.status());
  absl::StatusOr<std::vector<int32_t>> prefix = prefixOf(*model.tokenizer);
  if (!prefix.ok())
    return fail(io::withContext(options.model.path, prefix.status()));
  constexpr int64_t kWindow = 512;
  runtime::PerplexityOptions cut;
  cut.prefix = *std::move(prefix);
  cut.window = options.window.value_or(std::min(kWindow, model.session->contextLength()));
  cut.stride = options.stride.value_or(std::max<int64_t>(cut.window / 2, 1));
  if (cut.window > model.session->contextLength())
    return fail(absl::InvalidArgumentError(absl::StrCat("--window: ", cut.window, ", expected at most ",
                                                        model.session->contextLength(), ", the context of ",
                                                        options.model.path)),
                ExitCode::Usage);
  if (cut.stride > cut.mostStride())
    return fail(absl::InvalidArgumentError(absl::StrCat("--stride: ", cut.stride, ", expected at most ",
                                                        cut.mostStride(), ": one token of a window of ",
                                                        cut.window, " has to be there before the others")),
                ExitCode::Usage);

  const auto start = std::chrono::steady_clock::now();
  Progress progress;
  Interrupt interrupt;
  absl::StatusOr<runtime::Perplexity> result =
      runtime::measurePerplexity(*model.session, text->tokens, cut, [&](int64_t done) {
        progress.update("scoring", done, static_cast<int64_t>(text->tokens.size()));
        return !Interrupt::requested();
      });
  progress.clear();
  if (!result.ok())
    return result.status().code() == absl::StatusCode::kCancelled
               ? ExitCode::Interrupted
               : fail(io::withContext(options.text, result.status()));
  // A first token that nothing stands before is not scored.
  const bool isFirstScored = !cut.prefix.empty();
  const size_t bytes =
      text->bytes -
      (isFirstScored ? 0 : model.tokenizer->decode(absl::MakeConstSpan(text->tokens).first(1)).size());
  print(options, cut, *result, std::max<size_t>(bytes, 1),
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  return ExitCode::Success;
}

} // namespace

void addPerplexityCommand(CLI::App &app, Invocation &invocation) {
  auto options = std::make_shared<PerplexityCommandOptions>();
  CLI::App *command = app.add_subcommand("perplexity", "Measure how well an artifact foresees a text");
  addModelOptions(*command, options->model);
  addAdapterChoice(*command, options->model);
  command->add_option("TEXT", options->text, "A file of text")->required()->check(pathOfFile());
  command
      ->add_option("--window", options->window,
                   "Tokens that the model sees at once, by default 512, or its context")
      ->check(wholeNumber(2, kMostTokens))
      ->option_text("N");
  command
      ->add_option(
          "--stride", options->stride,
          "Tokens from one window to the next, by default half a window; of each but the first so many "
          "are scored")
      ->check(wholeNumber(1, kMostTokens))
      ->option_text("N");
  command->add_flag("--json", options->json, "Print one JSON object instead of a line");
  command->footer("Examples:\n"
                  "  llmc perplexity model.llmc text.txt\n"
                  "  llmc perplexity model.llmc text.txt --window 1024 --stride 256 --json");
  command->callback([options, &invocation] { invocation.result = perplexity(*options); });
}

} // namespace llmc::tool
