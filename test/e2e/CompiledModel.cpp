#include "test/e2e/CompiledModel.h"

#include "absl/strings/str_cat.h"
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <unistd.h>

using namespace llmc;
using namespace llmc::test;

std::string test::freshPath(const std::string &name) {
  static int count = 0;
  return absl::StrCat(testing::TempDir(), "llmc-e2e-", getpid(), "-", count++, "-", name);
}

absl::Status test::compileTo(const std::string &artifact, const std::string &path,
                             const codegen::CompileOptions &options, frontend::ImportOptions parts) {
  mlir::DialectRegistry registry;
  codegen::registerCompilerDialects(registry);
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  parts.tokenizer = false;
  absl::StatusOr<frontend::ImportedModel> model = frontend::importModel(path, parts, &context);
  if (!model.ok())
    return model.status();
  return codegen::compileModel(*model, options, artifact, [](absl::string_view, double) {});
}

std::shared_ptr<const runtime::Artifact> test::compileAndLoad(const std::string &path,
                                                              const codegen::CompileOptions &options,
                                                              frontend::ImportOptions parts) {
  const std::string file = freshPath("model.llmc");
  absl::Status status = compileTo(file, path, options, parts);
  EXPECT_TRUE(status.ok()) << status.message();
  if (!status.ok())
    return nullptr;
  absl::StatusOr<std::shared_ptr<const runtime::Artifact>> artifact = runtime::Artifact::load(file);
  EXPECT_TRUE(artifact.ok()) << artifact.status().message();
  unlink(file.c_str());
  return artifact.ok() ? *artifact : nullptr;
}

std::unique_ptr<runtime::Session> test::makeSession(std::shared_ptr<const runtime::Artifact> artifact,
                                                    int threads) {
  absl::StatusOr<std::unique_ptr<runtime::Session>> session =
      runtime::Session::create(std::move(artifact), {.threads = threads});
  EXPECT_TRUE(session.ok()) << session.status().message();
  return session.ok() ? *std::move(session) : nullptr;
}

static std::string variable(const char *key) {
  const char *value = std::getenv(key);
  return value ? value : "";
}

static std::optional<std::string> ifThere(std::string path) {
  return std::filesystem::exists(path) ? std::optional(std::move(path)) : std::nullopt;
}

std::optional<std::string> test::findFetched(const std::string &name) {
  std::string cache = variable("LLMC_CACHE");
  if (cache.empty())
    cache = absl::StrCat(variable("XDG_CACHE_HOME").empty() ? variable("HOME") + "/.cache"
                                                            : variable("XDG_CACHE_HOME"),
                         "/llmc");
  return ifThere(absl::StrCat(cache, "/", name));
}

std::optional<std::string> test::findModel(const std::string &name) {
  const std::string models = variable("LLMC_MODELS");
  return models.empty() ? findFetched("models/" + name) : ifThere(absl::StrCat(models, "/", name));
}

Golden::Golden(const std::string &file) {
  auto opened = safetensors::Reader::open(kGolden + file);
  EXPECT_TRUE(opened.ok()) << opened.status().message();
  if (opened.ok())
    reader = std::make_unique<safetensors::Reader>(std::move(*opened));
}

Departure test::departure(absl::Span<const float> found, absl::Span<const float> expected) {
  EXPECT_EQ(found.size(), expected.size());
  if (found.size() != expected.size() || found.empty())
    return {INFINITY, INFINITY};
  double scale = 0, largest = 0, squares = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    const double error = std::abs(double(found[i]) - double(expected[i]));
    if (std::isnan(error))
      return {INFINITY, INFINITY};
    scale = std::max(scale, std::abs(double(expected[i])));
    largest = std::max(largest, error);
    squares += error * error;
  }
  return {largest / scale, std::sqrt(squares / double(found.size())) / scale};
}
