//===- Model.h - an artifact as the subcommands use it --------------------------------------------------===//
#ifndef LLMC_TOOLS_LLMC_MODEL_H
#define LLMC_TOOLS_LLMC_MODEL_H

#include "runtime/core/Session.h"
#include "runtime/text/Tokenizer.h"
#include "tools/llmc/Program.h"

#include <memory>
#include <string>

namespace llmc::tool {

/// How an artifact is to be loaded.
struct ModelOptions {
  std::string path;
  int threads = 0;
  runtime::Verify verify = runtime::Verify::Auto;
  runtime::AbsentWeights absentWeights = runtime::AbsentWeights::Refuse;
  std::string adapter; ///< empty: none
};

/// Registers the positional FILE, --threads and --verify.
void addModelOptions(CLI::App &command, ModelOptions &options);

/// Registers --lora.
void addAdapterChoice(CLI::App &command, ModelOptions &options);

/// An artifact that is ready to run.
struct Model {
  std::shared_ptr<const runtime::Artifact> artifact;
  /// None if it was not asked for.
  std::unique_ptr<text::Tokenizer> tokenizer;
  std::unique_ptr<runtime::Session> session;
  /// From the call of loadModel to its end.
  double loadSeconds = 0;
};

/// Loads an artifact that is of `kind`, and its tokenizer, to be run by `team` (null: one of its own). On
/// failure prints the reason and sets `code`; the result is then without an artifact.
Model loadModel(const ModelOptions &options, runtime::Kind kind, ExitCode &code,
                std::shared_ptr<runtime::Team> team = nullptr);

/// The same for an artifact of any kind, without its tokenizer.
Model loadModel(const ModelOptions &options, ExitCode &code, std::shared_ptr<runtime::Team> team = nullptr);

/// runtime::loadTokenizer() with errors that begin with `path`.
absl::StatusOr<std::unique_ptr<text::Tokenizer>> loadTokenizer(const runtime::Manifest &manifest,
                                                               const std::string &path);

/// Whether `path` looks like something to compile: a directory, a GGUF file or an ONNX file.
bool isCheckpoint(const std::string &path);

/// Whether `path` is called like a model definition: MODEL.textproto.
bool isDefinition(const std::string &path);

/// Whether `path` is a file that ends like an artifact, of any version, sound or not.
bool isArtifact(const std::string &path);

} // namespace llmc::tool

#endif // LLMC_TOOLS_LLMC_MODEL_H
