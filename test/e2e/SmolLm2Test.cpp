// SmolLM2-135M-Instruct: logits against an f32 evaluation, and greedy answers against llama.cpp.

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "test/e2e/CompiledModel.h"
#include <algorithm>
#include <fstream>
#include <iostream>

using namespace llmc;
using namespace llmc::test;

namespace {

class SmolLm2 : public testing::Test {
protected:
  static void SetUpTestSuite() {
    if (auto path = findModel("SmolLM2-135M-Instruct.Q4_1.gguf")) {
      codegen::CompileOptions options;
      options.context = 512;
      artifact = compileAndLoad(*path, options);
    }
    std::ifstream file(kGolden + "smollm2.json");
    golden = nlohmann::json::parse(file);
  }
  static void TearDownTestSuite() { artifact.reset(); }

  void SetUp() override {
    if (!findModel("SmolLM2-135M-Instruct.Q4_1.gguf"))
      GTEST_SKIP()
          << "SmolLM2-135M-Instruct.Q4_1.gguf is not there: fetch it with scripts/fetch-model.sh smollm2";
    ASSERT_TRUE(artifact);
    session = makeSession(artifact, 2);
    ASSERT_TRUE(session);
  }

  static std::shared_ptr<const runtime::Artifact> artifact;
  static nlohmann::json golden;
  std::unique_ptr<runtime::Session> session;
};
std::shared_ptr<const runtime::Artifact> SmolLm2::artifact;
nlohmann::json SmolLm2::golden;

TEST_F(SmolLm2, LogitsAreNearThoseOfF32) {
  const auto tokens = golden.at("evaluation").at("ids").get<std::vector<int32_t>>();
  auto found = session->feed(tokens, runtime::Rows::All);
  ASSERT_TRUE(found.ok()) << found.status().message();
  const size_t width = artifact->manifest().output_width();
  Golden f32("smollm2_f32_logits.safetensors");
  const Departure last = departure(found->last(width), f32.read<float>("evaluation_last_logits"));
  std::cout << "logits after the last token: " << last.largest << " at most, " << last.rootMeanSquare
            << " rms\n";

  const auto ids = f32.read<int32_t>("evaluation_top_ids");
  const auto logits = f32.read<float>("evaluation_top_logits");
  const size_t kept = ids.size() / tokens.size();
  std::vector<float> same;
  size_t agreeing = 0;
  for (size_t i = 0; i < ids.size(); ++i)
    same.push_back((*found)[i / kept * width + ids[i]]);
  for (size_t row = 0; row < tokens.size(); ++row) {
    auto rowLogits = found->subspan(row * width, width);
    agreeing += std::max_element(rowLogits.begin(), rowLogits.end()) - rowLogits.begin() == ids[row * kept];
  }
  const Departure top = departure(same, logits);
  std::cout << "largest 64 logits after each token: " << top.largest << " at most, " << top.rootMeanSquare
            << " rms; the largest of " << agreeing << " of " << tokens.size() << " is the same\n";
  // The target of the project is 2e-2; activations are rounded to 16 bits.
  EXPECT_LT(last.largest, 2e-3);
  EXPECT_LT(top.largest, 2e-3);
  EXPECT_EQ(agreeing, tokens.size());
}

TEST_F(SmolLm2, LogitsInF32AreThoseOfF32) {
  codegen::CompileOptions options;
  options.context = 128;
  options.computeType = "f32";
  auto exact = compileAndLoad(*findModel("SmolLM2-135M-Instruct.Q4_1.gguf"), options);
  ASSERT_TRUE(exact);
  auto alone = makeSession(exact, 2);
  const auto tokens = golden.at("evaluation").at("ids").get<std::vector<int32_t>>();
  auto found = alone->feed(tokens);
  ASSERT_TRUE(found.ok()) << found.status().message();
  const Departure last =
      departure(*found, Golden("smollm2_f32_logits.safetensors").read<float>("evaluation_last_logits"));
  std::cout << "logits after the last token in f32: " << last.largest << " at most, " << last.rootMeanSquare
            << " rms\n";
  EXPECT_LT(last.largest, 1e-4);
}

// llama.cpp's tokens are fed, so the first difference is where greedy answers part. At each token f32 says
// who errs, and each may err as far as rounding explains: so what parts from llama.cpp is a near tie in f32.
TEST_F(SmolLm2, GreedyAnswersAreThoseOfLlamaCppUntilANearTie) {
  // Of a difference of two logits, which reach from -20 to 20. Ours is measured at 7.2e-3. llama.cpp, which
  // rounds activations to 8 bits, is off by 0.18 (root mean square, see make_smollm2_f32.py) in a logit and
  // so by 0.25 in a difference: two standard deviations.
  constexpr double ourError = 0.01, llamaCppError = 0.5;
  Golden golden32("smollm2_f32_logits.safetensors");
  const auto f32Ids = golden32.read<int32_t>("forced_top_ids"); // [prompts, tokens, 2]
  const auto f32Logits = golden32.read<float>("forced_top_logits");
  double largestError = 0, largestOfLlamaCpp = 0;
  for (size_t p = 0; p < golden.at("prompts").size(); ++p) {
    const auto &prompt = golden.at("prompts")[p];
    const auto ids = prompt.at("ids").get<std::vector<int32_t>>(),
               greedy = prompt.at("greedy").get<std::vector<int32_t>>();
    session->reset();
    auto logits = session->feed(ids);
    std::string parts = "all tokens are the same";
    size_t different = 0;
    for (size_t t = 0; t < greedy.size(); ++t) {
      SCOPED_TRACE(absl::StrCat("prompt ", p, ", token ", t));
      ASSERT_TRUE(logits.ok()) << logits.status().message();
      const int32_t *top = &f32Ids[(p * greedy.size() + t) * 2];
      const double f32Margin =
          f32Logits[(p * greedy.size() + t) * 2] - f32Logits[(p * greedy.size() + t) * 2 + 1];
      const double ourMargin = (*logits)[top[0]] - (*logits)[top[1]];
      const auto best =
          static_cast<int32_t>(std::max_element(logits->begin(), logits->end()) - logits->begin());
      largestError = std::max(largestError, std::abs(ourMargin - f32Margin));
      EXPECT_NEAR(ourMargin, f32Margin, ourError);
      if (best != top[0]) {
        EXPECT_LT(f32Margin, ourError) << "f32 says " << top[0] << ", ours is " << best;
      }
      if (best != greedy[t]) {
        const double lead = (*logits)[best] - (*logits)[greedy[t]];
        largestOfLlamaCpp = std::max(largestOfLlamaCpp, lead);
        EXPECT_LT(lead, llamaCppError) << "llama.cpp says " << greedy[t] << ", ours is " << best;
        if (different++ == 0)
          parts = absl::StrCat("parts after ", t, " tokens: ours ", best, " by ", lead, ", llama.cpp ",
                               greedy[t], ", f32 ", top[0], " by ", f32Margin);
      }
      logits = session->feed(absl::MakeConstSpan(&greedy[t], 1));
    }
    std::cout << "prompt " << p << ": " << parts << "; " << different << " of " << greedy.size()
              << " differ\n";
  }
  std::cout << "margins are off by " << largestError << " at most; where llama.cpp differs it trails by "
            << largestOfLlamaCpp << " at most\n";
}

TEST_F(SmolLm2, PiecesAndThreadsChangeNothing) {
  const auto tokens = golden.at("evaluation").at("ids").get<std::vector<int32_t>>();
  auto found = session->feed(tokens);
  ASSERT_TRUE(found.ok());
  const std::vector<float> whole(found->begin(), found->end());
  auto alone = makeSession(artifact, 1);
  for (size_t done = 0, piece = 1; done < tokens.size(); done += piece, piece = piece % 13 + 3) {
    piece = std::min(piece, tokens.size() - done);
    found = alone->feed(absl::MakeConstSpan(tokens).subspan(done, piece));
    ASSERT_TRUE(found.ok());
  }
  EXPECT_EQ(std::vector<float>(found->begin(), found->end()), whole);
}

} // namespace
