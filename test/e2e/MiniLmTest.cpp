// all-MiniLM-L6-v2: embeddings of a hundred sentences against those of sentence-transformers.

#include "nlohmann/json.hpp"
#include "test/e2e/CompiledModel.h"
#include <cmath>
#include <fstream>
#include <iostream>

using namespace llmc;
using namespace llmc::test;

namespace {

TEST(MiniLm, EmbeddingsAgreeWithSentenceTransformers) {
  const std::optional<std::string> path = findModel("all-MiniLM-L6-v2");
  if (!path)
    GTEST_SKIP() << "all-MiniLM-L6-v2 is not there: fetch it with scripts/fetch-model.sh minilm";
  auto artifact = compileAndLoad(*path);
  ASSERT_TRUE(artifact);
  auto session = makeSession(artifact, 2);
  std::ifstream file(kGolden + "minilm_ids.json");
  const auto ids = nlohmann::json::parse(file).at("ids").get<std::vector<std::vector<int32_t>>>();
  const auto expected = Golden("minilm.safetensors").read<float>("embeddings");
  const size_t width = artifact->manifest().output_width();
  ASSERT_EQ(expected.size(), ids.size() * width);

  double worst = 1;
  for (size_t i = 0; i < ids.size(); ++i) {
    auto found = session->embed(ids[i]);
    ASSERT_TRUE(found.ok()) << found.status().message();
    double product = 0, a = 0, b = 0;
    for (size_t d = 0; d < width; ++d) {
      const double x = (*found)[d], y = expected[i * width + d];
      product += x * y;
      a += x * x;
      b += y * y;
    }
    EXPECT_NEAR(a, 1, 1e-5) << "embeddings are normalized";
    worst = std::min(worst, product / std::sqrt(a * b));
  }
  EXPECT_GT(worst, 0.9999);
  RecordProperty("one_minus_worst_cosine", std::to_string(1 - worst));
  std::cout << "worst cosine: 1 - " << 1 - worst << '\n';
}

} // namespace
