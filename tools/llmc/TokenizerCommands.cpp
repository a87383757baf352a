//===- TokenizerCommands.cpp - llmc tokenizer -----------------------------------------------------------===//
#include "tools/llmc/CompilerCommands.h"
#include "tools/llmc/Progress.h"

#include "frontend/documents/Documents.h"
#include "frontend/tokenizer/BpeTrainer.h"
#include "frontend/tokenizer/TokenizerJsonWriter.h"
#include "runtime/io/AtomicFile.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include <filesystem>

namespace llmc::tool {

namespace {

namespace fs = std::filesystem;

absl::StatusOr<io::AtomicFile> write(const fs::path &path, const std::string &text) {
  absl::StatusOr<io::AtomicFile> file = io::AtomicFile::create(path.string());
  if (!file.ok())
    return file.status();
  (void)file->append(absl::string_view(text));
  return file;
}

/// Where tokenizer.json goes. Its folder is made.
absl::StatusOr<fs::path> makePlace(const std::string &output) {
  fs::path path = output;
  if (path.extension() != ".json")
    path /= "tokenizer.json";
  std::error_code error;
  if (path.has_parent_path())
    fs::create_directories(path.parent_path(), error);
  if (error)
    return absl::UnavailableError(
        absl::StrCat(path.parent_path().string(), ": cannot be made: ", error.message()));
  return path;
}

absl::Status train(const TokenizerRequest &request, tokenizer::BpeTrainer &trainer, Progress &progress) {
  absl::StatusOr<fs::path> path = makePlace(request.output);
  if (!path.ok())
    return path.status();
  int64_t texts = 0;
  for (const std::string &input : request.inputs) {
    auto count = [&](absl::string_view text) {
      progress.update(absl::StrCat("counting words of ", input), ++texts, 0);
      absl::Status status = trainer.addText(text);
      return status.ok() ? status : absl::Status(status.code(), absl::StrCat(input, ": ", status.message()));
    };
    if (absl::Status status = documents::forEachDocument(input, request.field, count); !status.ok())
      return status;
  }
  if (texts == 0)
    return absl::InvalidArgumentError("the inputs have no documents to learn from");
  const auto words = static_cast<int64_t>(trainer.distinctWords());
  const tokenizer::BytePairVocabulary vocabulary = std::move(trainer).train(
      [&](int64_t tokens) { progress.update("merging pairs", tokens, request.vocabularySize); });
  const text::TokenizerModel model = tokenizer::modelOf(vocabulary);
  absl::StatusOr<io::AtomicFile> config =
      write(path->parent_path() / "tokenizer_config.json", tokenizer::tokenizerConfigJson(model));
  if (!config.ok())
    return config.status();
  absl::StatusOr<io::AtomicFile> json = write(*path, *tokenizer::tokenizerJson(model));
  if (!json.ok())
    return json.status();
  if (absl::Status status = config->commit(); !status.ok())
    return status;
  if (absl::Status status = json->commit(); !status.ok())
    return status;
  progress.clear();
  const auto tokens = static_cast<int64_t>(vocabulary.tokens.size());
  absl::FPrintF(stderr, "%s: %d tokens, learned from %d words in %d documents\n", path->string(), tokens,
                words, texts);
  if (tokens < request.vocabularySize)
    absl::FPrintF(stderr, "%s: --vocab-size %d was not reached: no other pair has --min-frequency %d\n",
                  path->string(), request.vocabularySize, request.minFrequency);
  return absl::OkStatus();
}

} // namespace

ExitCode trainTokenizer(const TokenizerRequest &request) {
  absl::StatusOr<tokenizer::BpeTrainer> trainer =
      tokenizer::BpeTrainer::create({request.vocabularySize, request.minFrequency, request.specialTokens});
  if (!trainer.ok())
    return fail(trainer.status(), ExitCode::Usage);
  Progress progress;
  absl::Status status = train(request, *trainer, progress);
  progress.clear();
  return status.ok() ? ExitCode::Success : fail(status);
}

} // namespace llmc::tool
