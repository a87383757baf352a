#include "tools/llmc/Model.h"

#include "tools/llmc/OptionChecks.h"

#include "runtime/core/ArtifactFormat.h"
#include "runtime/core/ArtifactText.h"
#include "runtime/io/Message.h"

#include "absl/strings/str_cat.h"

#include <CLI/CLI.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>

namespace llmc::tool {

void addModelOptions(CLI::App &command, ModelOptions &options) {
  command.add_option("FILE", options.path, "An artifact, made by llmc compile")
      ->required()
      ->check(pathOfFile());
  command
      .add_option("--threads", options.threads, "Number of threads; by default one for each physical core")
      ->check(wholeNumber(1, 1024))
      ->option_text("N");
  command
      .add_option(
          "--verify", options.verify,
          "Check the weights' checksums: auto (up to 8 GiB), always or never; those of code and manifest are "
          "always checked")
      ->transform(CLI::Transformer(std::map<std::string, runtime::Verify>{{"auto", runtime::Verify::Auto},
                                                                          {"always", runtime::Verify::Always},
                                                                          {"never", runtime::Verify::Never}})
                      .description(""))
      ->option_text("WHEN");
}

void addAdapterChoice(CLI::App &command, ModelOptions &options) {
  command
      .add_option("--lora", options.adapter,
                  "Use this one of the adapters that llmc compile --lora-separate put beside the weights")
      ->option_text("NAME");
}

bool isCheckpoint(const std::string &path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored))
    return true;
  if (std::filesystem::path(path).extension() == ".onnx" && std::filesystem::is_regular_file(path, ignored))
    return true;
  char magic[4] = {};
  std::ifstream(path, std::ios::binary).read(magic, sizeof(magic));
  return std::string_view(magic, sizeof(magic)) == "GGUF";
}

bool isDefinition(const std::string &path) {
  std::error_code ignored;
  return std::filesystem::path(path).extension() == ".textproto" &&
         std::filesystem::is_regular_file(path, ignored);
}

bool isArtifact(const std::string &path) {
  constexpr size_t kFamilyLength = sizeof(runtime::kFooterMagic) - 2; // without version and terminator
  char magic[kFamilyLength] = {};
  std::ifstream file(path, std::ios::binary);
  file.seekg(-static_cast<std::streamoff>(sizeof(runtime::Footer)), std::ios::end);
  file.read(magic, kFamilyLength);
  return std::string_view(magic, kFamilyLength) == std::string_view(runtime::kFooterMagic, kFamilyLength);
}

absl::StatusOr<std::unique_ptr<text::Tokenizer>> loadTokenizer(const runtime::Manifest &manifest,
                                                               const std::string &path) {
  absl::StatusOr<std::unique_ptr<text::Tokenizer>> tokenizer = runtime::loadTokenizer(manifest);
  if (!tokenizer.ok())
    return io::withContext(path, tokenizer.status());
  return tokenizer;
}

static absl::Status checkKind(const std::string &path, runtime::Kind has, runtime::Kind wanted) {
  if (has == wanted)
    return absl::OkStatus();
  const absl::string_view use = has == runtime::GENERATE ? "text; use llmc run"
                                : has == runtime::EMBED  ? "embeddings; use llmc embed"
                                : wanted == runtime::EMBED
                                    ? "predictions; use llmc predict, or compile it with --no-head"
                                    : "predictions; use llmc predict";
  return absl::InvalidArgumentError(absl::StrCat(path, ": is a model that makes ", use));
}

static double secondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

Model loadModel(const ModelOptions &options, ExitCode &code, std::shared_ptr<runtime::Team> team) {
  auto start = std::chrono::steady_clock::now();
  if (isCheckpoint(options.path)) {
    code = fail(absl::InvalidArgumentError(
        absl::StrCat(options.path, ": is a checkpoint, expected an artifact; compile it first: llmc compile ",
                     options.path, " -o model.llmc")));
    return {};
  }
  auto artifact = runtime::Artifact::load(options.path, options.verify, options.absentWeights);
  if (!artifact.ok()) {
    // The runtime says so of artifacts for other processors and other versions, and where there is no GPU.
    bool wrongMachine = artifact.status().code() == absl::StatusCode::kFailedPrecondition ||
                        artifact.status().code() == absl::StatusCode::kUnavailable;
    code = fail(artifact.status(), wrongMachine ? ExitCode::WrongMachine : ExitCode::Failure);
    return {};
  }
  auto session = team ? runtime::Session::create(*artifact, std::move(team))
                      : runtime::Session::create(*artifact, runtime::TeamOptions{options.threads});
  if (!session.ok()) {
    code = fail(io::withContext(options.path, session.status()));
    return {};
  }
  if (!options.adapter.empty())
    if (absl::Status status = (*session)->useAdapter(options.adapter); !status.ok()) {
      code = fail(io::withContext(options.path, status));
      return {};
    }
  return {*std::move(artifact), nullptr, *std::move(session), secondsSince(start)};
}

Model loadModel(const ModelOptions &options, runtime::Kind kind, ExitCode &code,
                std::shared_ptr<runtime::Team> team) {
  auto start = std::chrono::steady_clock::now();
  Model model = loadModel(options, code, std::move(team));
  if (!model.artifact)
    return model;
  const runtime::Manifest &manifest = model.artifact->manifest();
  if (absl::Status status = checkKind(options.path, manifest.kind(), kind); !status.ok()) {
    code = fail(status);
    return {};
  }
  auto tokenizer = loadTokenizer(manifest, options.path);
  if (!tokenizer.ok()) {
    code = fail(tokenizer.status());
    return {};
  }
  model.tokenizer = *std::move(tokenizer);
  model.loadSeconds = secondsSince(start);
  return model;
}

} // namespace llmc::tool
