//===- chat_template_test.cpp - conversations as prompts -------------------===//

#include "runtime/text/ChatTemplate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "frontend/tokenizer/TokenizerJson.h"
#include "test/unit/text/TestFiles.h"

namespace llmc::text {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::unique_ptr<Tokenizer> load(const char *config) {
  std::string json = readTestFile("llama3.tokenizer.json");
  auto model = tokenizer::importTokenizerJson({json, {config, {}, {}}});
  EXPECT_TRUE(model.ok()) << model.status();
  return *Tokenizer::create(*model);
}

constexpr const char *kConfig = R"({"bos_token": "<s>", "eos_token": "</s>", "chat_template":
  "{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m.content }}{{ eos_token }}{% endfor %}{% if tools %}{{ tools | tojson }}{% endif %}{% if add_generation_prompt %}me: {{ mood }}{% endif %}"})";

TEST(ChatTemplate, RendersAConversation) {
  auto tokenizer = load(kConfig);
  auto chat = ChatTemplate::create(*tokenizer);
  ASSERT_TRUE(chat.ok()) << chat.status();
  ChatInputs inputs;
  inputs.messages = {{{"role", "you"}, {"content", "hi"}}};
  EXPECT_EQ(*chat->render(inputs), "<s>you: hi</s>me: ");
  inputs.addGenerationPrompt = false;
  inputs.tools = {{{"name", "clock"}, {"args", nullptr}}};
  EXPECT_EQ(*chat->render(inputs), R"(<s>you: hi</s>[{"name": "clock", "args": null}])");
  inputs = {};
  inputs.variables["mood"] = "glad";
  EXPECT_EQ(*chat->render(inputs), "<s>me: glad");
}

TEST(ChatTemplate, ThePromptHoldsItsSpecialTokens) {
  auto tokenizer = load(kConfig);
  ChatInputs inputs;
  inputs.messages = {{{"role", "a"}, {"content", ""}}};
  inputs.addGenerationPrompt = false;
  std::string prompt = *ChatTemplate::create(*tokenizer)->render(inputs);
  auto ids = tokenizer->encode(prompt, {/*addSpecialTokens=*/false, /*parseSpecial=*/true});
  ASSERT_TRUE(ids.ok());
  EXPECT_EQ(ids->front(), *tokenizer->bosId());
  EXPECT_EQ(ids->back(), *tokenizer->eosId());
}

TEST(ChatTemplate, SaysWhatIsWrong) {
  EXPECT_EQ(ChatTemplate::create(*load("{}")).status().message(), "the model has no chat template");
  EXPECT_EQ(std::string(ChatTemplate::create("{% if %}", *load("{}")).status().message()),
            "chat template: line 1: unexpected '%}'");
  auto refusing = ChatTemplate::create("{{ raise_exception('no') }}", *load("{}"));
  EXPECT_EQ(std::string(refusing->render({}).status().message()), "chat template: line 1: no");
}

} // namespace
} // namespace llmc::text
