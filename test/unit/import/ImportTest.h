#ifndef LLMC_TEST_UNIT_IMPORT_IMPORTTEST_H
#define LLMC_TEST_UNIT_IMPORT_IMPORTTEST_H

#include "dialects/nn/reference/Interpreter.h"
#include "dialects/nn/reference/UpstreamOps.h"
#include "frontend/import/Import.h"
#include "frontend/safetensors/Reader.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>

namespace llmc::frontend::testing {

using nn::reference::IntegerTensor;
using nn::reference::RuntimeValue;

inline const std::string goldenFolder = LLMC_SOURCE_DIR "/test/e2e/golden/";

/// Values of tensors in a safetensors file.
class TensorFile {
public:
  explicit TensorFile(const std::string &path) {
    auto opened = safetensors::Reader::open(path);
    EXPECT_TRUE(opened.ok()) << opened.status().message();
    reader = std::make_unique<safetensors::Reader>(std::move(*opened));
  }

  const safetensors::Reader &operator*() const { return *reader; }

  template <typename T> std::vector<T> read(const std::string &name) const {
    const safetensors::Tensor *tensor = reader->find(name);
    EXPECT_NE(tensor, nullptr) << name;
    std::vector<T> values(tensor->bytes.size() / sizeof(T));
    std::memcpy(values.data(), tensor->bytes.data(), tensor->bytes.size());
    return values;
  }

private:
  std::unique_ptr<safetensors::Reader> reader;
};

/// What transformers computes for one of the checkpoints in test/e2e/golden.
inline TensorFile goldenOf(const std::string &checkpoint) {
  return TensorFile(goldenFolder + checkpoint + "/golden.safetensors");
}

inline IntegerTensor ids(std::vector<int32_t> values) {
  llvm::SmallVector<int64_t, 2> shape = {static_cast<int64_t>(values.size())};
  return IntegerTensor(shape, std::move(values));
}

/// first, first + 1, ...
inline IntegerTensor range(size_t count, int32_t first = 0) {
  std::vector<int32_t> values(count);
  std::iota(values.begin(), values.end(), first);
  return ids(std::move(values));
}

/// An imported model with what runs it.
class Model {
public:
  explicit Model(const std::string &path, bool head = true) {
    mlir::DialectRegistry registry;
    nn::reference::registerReferenceModels(registry);
    context.appendDialectRegistry(registry);
    auto imported = importModel(path, {.tokenizer = false, .head = head}, &context);
    if (imported.ok())
      model = std::move(*imported);
    else
      ADD_FAILURE() << imported.status().message();
  }

  template <typename T> std::vector<T> run(const std::vector<IntegerTensor> &inputs) {
    if (!model.module)
      return {};
    nn::reference::Interpreter<T> interpreter(*model.module, model.source.get());
    llvm::SmallVector<RuntimeValue<T>> arguments(inputs.begin(), inputs.end());
    auto results = interpreter.call("forward", arguments);
    if (mlir::failed(results)) {
      ADD_FAILURE() << "evaluation fails";
      return {};
    }
    return results->front().getTensor()->values;
  }

  const ModelInfo &info() const { return model.info; }
  mlir::ModuleOp module() { return *model.module; }
  nn::ParameterSource &parameters() { return *model.source; }
  /// How many inputs the graph has; none if the import failed.
  size_t inputs() {
    return model.module ? module().lookupSymbol<mlir::func::FuncOp>("forward").getNumArguments() : 0;
  }

private:
  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
  ImportedModel model;
};

/// The largest difference, relative to the largest number that is expected.
template <typename T> double relativeError(llvm::ArrayRef<T> found, llvm::ArrayRef<float> expected) {
  EXPECT_EQ(found.size(), expected.size());
  if (found.size() != expected.size())
    return INFINITY;
  double difference = 0, largest = 0;
  for (auto [a, b] : llvm::zip(found, expected)) {
    difference = std::max(difference, std::abs(double(a) - double(b)));
    largest = std::max(largest, std::abs(double(b)));
  }
  return difference / largest;
}

/// A folder that is removed at the end of a test.
class TemporaryFolder {
public:
  TemporaryFolder() {
    folder = ::testing::TempDir() + "import_XXXXXX";
    EXPECT_NE(::mkdtemp(folder.data()), nullptr);
  }
  ~TemporaryFolder() { std::filesystem::remove_all(folder); }
  TemporaryFolder(const TemporaryFolder &) = delete;
  TemporaryFolder &operator=(const TemporaryFolder &) = delete;

  const std::string &path() const { return folder; }
  std::string write(const std::string &name, const std::string &content) const {
    std::ofstream(folder + "/" + name, std::ios::binary) << content;
    return folder + "/" + name;
  }

private:
  std::string folder;
};

/// A copy of one of the checkpoints in test/e2e/golden with other fields in config.json.

class ChangedCheckpoint : public TemporaryFolder {
public:
  ChangedCheckpoint(const std::string &checkpoint, const nlohmann::json &changes) {
    for (const auto &entry : std::filesystem::directory_iterator(goldenFolder + checkpoint))
      std::filesystem::copy_file(entry.path(), path() + "/" + entry.path().filename().string());
    nlohmann::json config = nlohmann::json::parse(std::ifstream(path() + "/config.json"));
    for (const auto &[name, value] : changes.items())
      config[name] = value;
    write("config.json", config.dump());
  }
  /// Changes the header of model.safetensors: `change` gets a tensor's name and description. `added` are
  /// descriptions of more tensors.
  void changeTensors(llvm::function_ref<void(std::string &, nlohmann::json &)> change,
                     const nlohmann::json &added = nlohmann::json::object()) const {
    std::ifstream file(path() + "/model.safetensors", std::ios::binary);
    std::string content((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    uint64_t size;
    std::memcpy(&size, content.data(), sizeof(size));
    nlohmann::json tensors = nlohmann::json::parse(content.substr(8, size)), changed = added;
    for (const auto &[name, description] : tensors.items()) {
      std::string newName = name;
      nlohmann::json newDescription = description;
      if (name != "__metadata__")
        change(newName, newDescription);
      changed[newName] = newDescription;
    }
    std::string header = changed.dump();
    size_t data = 8 + size;
    size = header.size();
    write("model.safetensors",
          std::string(reinterpret_cast<char *>(&size), 8) + header + content.substr(data));
  }
  /// Adds a tensor of f32 zeros to model.safetensors, behind all others.
  void addTensor(const std::string &name, const std::vector<int64_t> &shape) const {
    std::string file = path() + "/model.safetensors";
    size_t bytes = sizeof(float);
    for (int64_t size : shape)
      bytes *= size;
    size_t end = 0;
    changeTensors([&](std::string &, nlohmann::json &description) {
      end = std::max(end, description["data_offsets"][1].get<size_t>());
    });
    changeTensors([&](std::string &, nlohmann::json &) {},
                  {{name, {{"dtype", "F32"}, {"shape", shape}, {"data_offsets", {end, end + bytes}}}}});
    std::ofstream(file, std::ios::binary | std::ios::app) << std::string(bytes, '\0');
  }
  void remove(const std::string &field) const {
    nlohmann::json config = nlohmann::json::parse(std::ifstream(path() + "/config.json"));
    config.erase(field);
    write("config.json", config.dump());
  }
};

/// The one-line error with which the model at `path` is refused, without the path of its folder.
inline std::string refusalOf(const std::string &path, const std::string &folder, bool tokenizer = false) {
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  auto imported = importModel(path, {.tokenizer = tokenizer}, &context);
  if (imported.ok())
    return "accepted";
  std::string message(imported.status().message());
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  for (size_t at; (at = message.find(folder + "/")) != std::string::npos;)
    message.erase(at, folder.size() + 1);
  return message;
}

} // namespace llmc::frontend::testing

#endif // LLMC_TEST_UNIT_IMPORT_IMPORTTEST_H
