// Imported models, run by the reference interpreter, against what transformers computes for the same files.

#include "dialects/nn/reference/Interpreter.h"
#include "dialects/nn/reference/UpstreamOps.h"
#include "frontend/import/Import.h"
#include "frontend/safetensors/Reader.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include <cstring>
#include <numeric>

using namespace llmc;
using nn::reference::IntegerTensor;
using nn::reference::RuntimeValue;
using nn::reference::Tensor;

namespace {

const std::string kGolden = LLMC_SOURCE_DIR "/test/e2e/golden/";

/// Expected values in a safetensors file.
class Golden {
public:
  explicit Golden(const std::string &model) {
    auto opened = safetensors::Reader::open(kGolden + model + "/golden.safetensors");
    EXPECT_TRUE(opened.ok()) << opened.status().message();
    reader = std::make_unique<safetensors::Reader>(std::move(*opened));
  }

  template <typename T> std::vector<T> read(const char *name) const {
    const safetensors::Tensor *tensor = reader->find(name);
    EXPECT_NE(tensor, nullptr) << name;
    std::vector<T> values(tensor->bytes.size() / sizeof(T));
    std::memcpy(values.data(), tensor->bytes.data(), tensor->bytes.size());
    return values;
  }

private:
  std::unique_ptr<safetensors::Reader> reader;
};

IntegerTensor ids(std::vector<int32_t> values) {
  llvm::SmallVector<int64_t, 2> shape = {static_cast<int64_t>(values.size())};
  return IntegerTensor(shape, std::move(values));
}

IntegerTensor positions(size_t count) {
  std::vector<int32_t> values(count);
  std::iota(values.begin(), values.end(), 0);
  return ids(std::move(values));
}

/// An imported model with what runs it.
class Model {
public:
  explicit Model(const std::string &path) {
    mlir::DialectRegistry registry;
    nn::reference::registerReferenceModels(registry);
    context.appendDialectRegistry(registry);
    auto imported = frontend::importModel(path, {.tokenizer = false}, &context);
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

  const frontend::ModelInfo &info() const { return model.info; }

private:
  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
  frontend::ImportedModel model;
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

class DecoderGolden : public testing::TestWithParam<const char *> {};

TEST_P(DecoderGolden, LogitsAgreeWithTransformers) {
  Golden golden(GetParam());
  auto tokens = golden.read<int32_t>("tokens");
  auto logits = golden.read<float>("logits");
  Model model(kGolden + GetParam());
  std::vector<IntegerTensor> inputs = {ids(tokens), positions(tokens.size()), positions(tokens.size())};
  EXPECT_LT(relativeError<float>(model.run<float>(inputs), logits), 1e-4);
  EXPECT_LT(relativeError<double>(model.run<double>(inputs), logits), 1e-4);
}

TEST_P(DecoderGolden, OutputIdsChooseRows) {
  Golden golden(GetParam());
  auto tokens = golden.read<int32_t>("tokens");
  auto logits = golden.read<float>("logits");
  Model model(kGolden + GetParam());
  auto last = static_cast<int32_t>(tokens.size() - 1);
  std::vector<float> found = model.run<float>({ids(tokens), positions(tokens.size()), ids({last, 2})});
  int64_t width = model.info().sizes.vocabulary;
  ASSERT_EQ(found.size(), size_t(2 * width));
  llvm::ArrayRef<float> rows(found), expected(logits);
  EXPECT_LT(relativeError(rows.take_front(width), expected.take_back(width)), 1e-4);
  EXPECT_LT(relativeError(rows.take_back(width), expected.slice(2 * width, width)), 1e-4);
}

INSTANTIATE_TEST_SUITE_P(, DecoderGolden, testing::Values("llama-odd", "llama-tied", "mistral-window"),
                         [](const auto &info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(EncoderGolden, HiddenStatesAgreeWithTransformers) {
  Golden golden("bert-odd");
  auto tokens = golden.read<int32_t>("tokens"), types = golden.read<int32_t>("token_types");
  auto mask = golden.read<int32_t>("attention_mask");
  auto hidden = golden.read<float>("last_hidden_state");
  Model model(kGolden + "bert-odd");
  int64_t width = model.info().sizes.hiddenSize;
  size_t length = tokens.size() / 2;
  for (size_t sequence : {0, 1}) {
    // Padding is not computed at all.
    size_t start = sequence * length;
    size_t count = std::accumulate(mask.begin() + start, mask.begin() + start + length, 0);
    auto part = [&](const std::vector<int32_t> &values) {
      return ids({values.begin() + start, values.begin() + start + count});
    };
    std::vector<float> found = model.run<float>({part(tokens), positions(count), part(types)});
    EXPECT_LT(relativeError<float>(found, llvm::ArrayRef(hidden).slice(start * width, count * width)), 1e-4);
  }
}

} // namespace
