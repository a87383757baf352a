#include "train/Recipe.h"
#include "frontend/spec/Definition.h"

#include "gtest/gtest.h"
#include <fstream>

namespace llmc::train {

namespace {

Recipe tiny() {
  Recipe recipe;
  recipe.set_preset("llama-tiny");
  recipe.mutable_run()->set_train_data("a");
  recipe.mutable_run()->set_output("b");
  recipe.mutable_run()->set_steps(10);
  recipe.mutable_run()->set_learning_rate(1e-3);
  return recipe;
}

std::string messageAfter(void (*change)(Recipe &)) {
  Recipe recipe = tiny();
  change(recipe);
  absl::StatusOr<Recipe> completed = complete(recipe, 300);
  absl::Status status = completed.status();
  if (status.ok())
    status = checkRun(completed->run());
  return std::string(status.message());
}

TEST(Recipe, HasDefaults) {
  absl::StatusOr<Recipe> recipe = complete(tiny(), 300);
  ASSERT_TRUE(recipe.ok()) << recipe.status().message();
  EXPECT_EQ(recipe->model().vocabulary(), 300u);
  EXPECT_EQ(recipe->batch().length(), recipe->model().context());
  EXPECT_EQ(recipe->optimizer().adamw().beta2(), 0.95);
  EXPECT_EQ(recipe->precision(), F32);
  EXPECT_EQ(recipe->run().schedule().kind(), Schedule::COSINE);
  EXPECT_TRUE(checkRun(recipe->run()).ok());
}

TEST(Recipe, IsRefusedByField) {
  EXPECT_EQ(
      messageAfter([](Recipe &r) { r.set_preset("tiny"); }),
      "preset is 'tiny', expected one of gpt2-124m, gpt2-1.5b, llama-135m, llama-1b, bert-base, t5-small, "
      "llama-tiny");
  EXPECT_EQ(messageAfter([](Recipe &r) { r.mutable_model(); }),
            "preset and model are both there, expected one of them");
  EXPECT_EQ(messageAfter([](Recipe &r) { r.mutable_batch()->set_length(512); }),
            "batch.length is 512, expected at most the model's context (256)");
  EXPECT_EQ(messageAfter([](Recipe &r) { r.mutable_optimizer()->mutable_adamw()->set_beta1(1); }),
            "optimizer.adamw.beta1 is 1, expected 0 to less than 1");
  EXPECT_EQ(messageAfter([](Recipe &r) { r.mutable_objective()->mutable_masked_tokens(); }),
            "model.family is LLAMA, expected an encoder for this objective");
  EXPECT_EQ(messageAfter([](Recipe &r) {
              r.set_preset("bert-base");
              r.mutable_objective()->mutable_sequence_classification()->add_names("a");
            }),
            "");
  EXPECT_EQ(messageAfter([](Recipe &r) {
              r.mutable_model()->CopyFrom(*spec::preset("bert-base"));
              r.clear_preset();
              r.mutable_model()->mutable_head()->set_kind(spec::Head::NONE);
              r.mutable_objective()->mutable_masked_tokens();
            }),
            "model.head.kind is NONE, expected MASKED_TOKENS for this objective");
  EXPECT_EQ(messageAfter([](Recipe &r) {
              r.clear_preset();
              r.set_checkpoint("bert");
              r.mutable_objective()->mutable_masked_tokens()->set_part(2);
            }),
            "objective.masked_tokens.part is 2, expected 1e-06 to 1");
  EXPECT_EQ(messageAfter([](Recipe &r) { r.mutable_objective()->mutable_preference(); }),
            "objective.preference begins with a model that is there, expected a checkpoint");
  EXPECT_EQ(messageAfter([](Recipe &r) { r.mutable_dropout()->set_residual(1); }),
            "dropout.residual is 1, expected 0 to 0.999");
  EXPECT_EQ(messageAfter([](Recipe &r) { r.mutable_dropout()->set_lora(0.1); }),
            "dropout.lora is for adapters, expected lora");
  EXPECT_EQ(messageAfter([](Recipe &r) { r.mutable_distillation(); }),
            "distillation.teacher is missing, expected a folder with a model");
  EXPECT_EQ(messageAfter([](Recipe &r) { r.add_groups()->set_learning_rate(2); }),
            "groups[0].parameters is missing, expected a pattern of names");
  EXPECT_EQ(messageAfter([](Recipe &r) { r.set_average(1); }), "average is 1, expected 0 to 0.999999");
  EXPECT_EQ(messageAfter([](Recipe &r) { r.mutable_run()->set_steps(0); }),
            "run.steps is 0, expected 1 to 1000000000");
  EXPECT_EQ(messageAfter([](Recipe &r) {
              r.clear_preset();
              r.mutable_model()->set_family(spec::ModelDefinition::LLAMA);
            }),
            "model.context is 0, expected 1 to 16777216");
}

TEST(Recipe, CountsTextsThatBelongTogether) {
  Recipe recipe = tiny();
  recipe.clear_preset();
  recipe.set_checkpoint("bert");
  recipe.mutable_objective()->mutable_contrastive()->set_hard_negatives(true);
  EXPECT_EQ(groupSizeOf(recipe.objective()), 3);
  EXPECT_EQ(complete(recipe, 300, /*checkpointContext=*/64).status().message(),
            "batch.sequences is 8, expected a multiple of 3, the texts that belong together");
  recipe.mutable_batch()->set_sequences(9);
  EXPECT_EQ(complete(recipe, 300, 64)->objective().contrastive().temperature(), 0.05);
  recipe.mutable_batch()->set_sequences(3);
  EXPECT_TRUE(complete(recipe, 300, 64).ok()) << "a text that does not belong to the first is enough";
  recipe.mutable_objective()->mutable_contrastive()->set_hard_negatives(false);
  recipe.mutable_batch()->set_sequences(2);
  EXPECT_EQ(complete(recipe, 300, 64).status().message(),
            "batch.sequences is 2, expected at least two groups of 2 for objective.contrastive without "
            "hard_negatives");
}

TEST(Recipe, FindsTheReferenceAfterOverrides) {
  Recipe recipe = tiny();
  recipe.clear_preset();
  recipe.set_checkpoint("first");
  recipe.mutable_objective()->mutable_preference();
  absl::StatusOr<Recipe> completed = complete(recipe, 300, /*checkpointContext=*/64);
  ASSERT_TRUE(completed.ok()) << completed.status().message();
  train::Run run = completed->run();
  EXPECT_EQ(referenceOf(*completed, run), "first");
  EXPECT_TRUE(overrideSetting("start_from=second", run).ok());
  EXPECT_EQ(referenceOf(*completed, run), "second");
  EXPECT_TRUE(overrideSetting("reference=third", run).ok());
  EXPECT_EQ(referenceOf(*completed, run), "third");
  recipe.clear_objective();
  recipe.mutable_distillation()->set_teacher("teacher");
  completed = complete(recipe, 300, 64);
  ASSERT_TRUE(completed.ok()) << completed.status().message();
  EXPECT_EQ(referenceOf(*completed, completed->run()), "teacher");
}

TEST(Recipe, IsReadWithPlaces) {
  const std::string path = testing::TempDir() + "/wrong.recipe";
  std::ofstream(path) << "run {\n  step: 3\n}\n";
  EXPECT_EQ(readRecipe(path).status().message(),
            path + ":2:7: Message type \"llmc.train.Run\" has no field named \"step\".");
}

TEST(Override, SetsOneField) {
  train::Run run;
  EXPECT_TRUE(overrideSetting("learning_rate=1e-3", run).ok());
  EXPECT_TRUE(overrideSetting("schedule.kind=LINEAR", run).ok());
  EXPECT_TRUE(overrideSetting("output=a \"b\"", run).ok());
  EXPECT_EQ(run.learning_rate(), 1e-3);
  EXPECT_EQ(run.schedule().kind(), Schedule::LINEAR);
  EXPECT_EQ(run.output(), "a \"b\"");
  EXPECT_EQ(overrideSetting("steps", run).message(), "'steps': expected FIELD=VALUE");
  EXPECT_FALSE(overrideSetting("schedule.kind=STEEP", run).ok());
}

TEST(Recipe, HasSamplesOfDecodersOnly) {
  EXPECT_EQ(
      messageAfter([](Recipe &recipe) { recipe.mutable_run()->mutable_samples()->set_temperature(-1); }),
      "run.samples.temperature is -1, expected 0 to 1000");
  EXPECT_EQ(messageAfter([](Recipe &recipe) {
              recipe.clear_preset();
              recipe.set_checkpoint("folder");
              recipe.mutable_objective()->mutable_preference();
              recipe.mutable_run()->mutable_samples();
            }),
            "run.samples are of models that predict the next token, expected no objective");
  Recipe recipe = tiny();
  recipe.mutable_run()->mutable_samples()->set_every(5);
  absl::StatusOr<Recipe> completed = complete(recipe, 300);
  ASSERT_TRUE(completed.ok()) << completed.status().message();
  EXPECT_EQ(completed->run().samples().tokens(), 64u);
  EXPECT_EQ(completed->run().samples().temperature(), 1);
}

} // namespace

} // namespace llmc::train
