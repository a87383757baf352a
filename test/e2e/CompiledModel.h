//===- CompiledModel.h - a real model, compiled and loaded -------------------------------------------===//
#ifndef LLMC_TEST_E2E_COMPILEDMODEL_H
#define LLMC_TEST_E2E_COMPILEDMODEL_H

#include "codegen/compiler/Compiler.h"
#include "frontend/safetensors/Reader.h"
#include "runtime/core/Session.h"
#include "gtest/gtest.h"
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace llmc::test {

/// The folder of expected values.
inline const std::string kGolden = LLMC_SOURCE_DIR "/test/e2e/golden/";

/// A fresh path in the test's temporary folder.
std::string freshPath(const std::string &name);

/// Imports the model at `path`, without its tokenizer, and compiles it to `artifact`.
absl::Status compileTo(const std::string &artifact, const std::string &path,
                       const codegen::CompileOptions &options, frontend::ImportOptions parts = {});

/// Compiles the model at `path` and loads the artifact, whose file is gone afterwards. Null, with a test
/// failure, where that fails.
std::shared_ptr<const runtime::Artifact> compileAndLoad(const std::string &path,
                                                        const codegen::CompileOptions &options = {},
                                                        frontend::ImportOptions parts = {});

/// A session with this many threads.
std::unique_ptr<runtime::Session> makeSession(std::shared_ptr<const runtime::Artifact> artifact, int threads);

/// The file or folder `name` where scripts keep what they fetched; nothing if it is not there.
std::optional<std::string> findFetched(const std::string &name);

/// Where scripts/fetch-model.sh keeps the model `name` ($LLMC_MODELS, or the folder "models" of the cache);
/// nothing if it is not there.
std::optional<std::string> findModel(const std::string &name);

/// Tensors of a safetensors file with expected values.
class Golden {
public:
  explicit Golden(const std::string &file);

  template <typename T> std::vector<T> read(const char *name) const {
    const safetensors::Tensor *tensor = reader ? reader->find(name) : nullptr;
    EXPECT_NE(tensor, nullptr) << name;
    std::vector<T> values(tensor ? tensor->bytes.size() / sizeof(T) : 0);
    if (!values.empty())
      std::memcpy(values.data(), tensor->bytes.data(), tensor->bytes.size());
    return values;
  }

private:
  std::unique_ptr<safetensors::Reader> reader;
};

/// Differences of numbers from what is expected, relative to the largest magnitude expected.
struct Departure {
  double largest = 0, rootMeanSquare = 0;
};
Departure departure(absl::Span<const float> found, absl::Span<const float> expected);

} // namespace llmc::test

#endif // LLMC_TEST_E2E_COMPILEDMODEL_H
