// What a model's files say beside its graph.

#include "runtime/text/Tokenizer.h"
#include "runtime/text/tokenizer.pb.h"
#include "test/unit/import/GgufConversion.h"

using namespace llmc::frontend;
using namespace llmc::frontend::testing;

namespace {

ModelInfo infoOf(const std::string &path, bool tokenizer = false) {
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  auto imported = importModel(path, {.tokenizer = tokenizer}, &context);
  EXPECT_TRUE(imported.ok()) << imported.status().message();
  return imported.ok() ? imported->info : ModelInfo();
}

TEST(ModelInfo, OfADirectory) {
  ModelInfo info = infoOf(goldenFolder + "llama-tied", /*tokenizer=*/true);
  EXPECT_EQ(info.name, "llama-tied");
  EXPECT_EQ(info.licence, "");
  EXPECT_EQ(info.family, "llama");
  EXPECT_EQ(info.architecture, "LlamaForCausalLM");
  EXPECT_EQ(info.kind, ModelKind::Generate);
  EXPECT_EQ(info.sizes.vocabulary, 307);
  EXPECT_EQ(info.sizes.contextLength, 512);
  EXPECT_EQ(info.sizes.hiddenSize, 48);
  EXPECT_EQ(info.sizes.layers, 3);
  EXPECT_FALSE(info.pooling);
  llmc::text::TokenizerModel tokenizer;
  ASSERT_TRUE(tokenizer.ParseFromString(info.tokenizer));
  EXPECT_THAT(tokenizer.stop_ids(), ::testing::UnorderedElementsAre(1, 3));
  EXPECT_THAT(tokenizer.chat_template(), ::testing::StartsWith("{{ bos_token }}"));
}

TEST(ModelInfo, StopIdsMayStandInTheConfigOnly) {
  ChangedCheckpoint changed("llama-odd", {{"eos_token_id", {5, 7}}});
  std::filesystem::remove(changed.path() + "/generation_config.json");
  llmc::text::TokenizerModel tokenizer;
  ASSERT_TRUE(tokenizer.ParseFromString(infoOf(changed.path(), /*tokenizer=*/true).tokenizer));
  EXPECT_THAT(tokenizer.stop_ids(), ::testing::IsSupersetOf({5, 7}));
}

// Without tokenizer.json, ids as transformers lays them out around the pieces of the .model file.
TEST(ModelInfo, TokenizerOfASentencePieceModel) {
  llmc::text::TokenizerModel model;
  ASSERT_TRUE(model.ParseFromString(infoOf(goldenFolder + "xlm-roberta-odd", /*tokenizer=*/true).tokenizer));
  auto tokenizer = llmc::text::Tokenizer::create(model);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  TensorFile golden = goldenOf("xlm-roberta-odd");
  auto tokens = golden.read<int32_t>("tokens"), mask = golden.read<int32_t>("attention_mask");
  const size_t length = tokens.size() / 2;
  const std::pair<const char *, const char *> pairs[] = {
      {"Is the reader reading a na\u00EFve sentence?", "It is reading tokens, one at a time: 3.14!"},
      {"Two pieces", "begin at once"}};
  for (size_t row : {0, 1}) {
    const auto begin = tokens.begin() + row * length;
    const int count = std::accumulate(mask.begin() + row * length, mask.begin() + (row + 1) * length, 0);
    EXPECT_EQ(*(*tokenizer)->encodePair(pairs[row].first, pairs[row].second),
              std::vector<int32_t>(begin, begin + count));
  }
}

/// The tokens that transformers makes of the source of make_encoder_decoders.py.
TEST(ModelInfo, TokenizersOfEncodersWithDecodersAreRead) {
  const std::string source =
      "the query reads the columns of the small matrix, and the mean had no answer: 21 34 55";
  for (const char *checkpoint : {"t5-odd", "t5-gated", "bart-odd", "marian-odd"}) {
    SCOPED_TRACE(checkpoint);
    llmc::text::TokenizerModel model;
    ASSERT_TRUE(model.ParseFromString(infoOf(goldenFolder + checkpoint, /*tokenizer=*/true).tokenizer));
    auto tokenizer = llmc::text::Tokenizer::create(model);
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
    auto ids = (*tokenizer)->encode(source);
    ASSERT_TRUE(ids.ok()) << ids.status();
    EXPECT_EQ(*ids, goldenOf(checkpoint).read<int32_t>("source"));
  }
}

TEST(ModelInfo, TheVocabularyOfMarianIsHeldAgainstItsIds) {
  ChangedCheckpoint changed("marian-odd", {});
  changed.write("vocab.json", R"({"</s>": 0, "<unk>": 3})");
  EXPECT_EQ(refusalOf(changed.path(), changed.path(), /*tokenizer=*/true),
            changed.path() + ": source.spm: vocab.json: '<unk>': is 3, expected each of 0 to 1 once");
  std::filesystem::remove(changed.path() + "/vocab.json");
  EXPECT_EQ(refusalOf(changed.path(), changed.path(), /*tokenizer=*/true),
            changed.path() + ": source.spm: vocab.json: has no tokens, expected those of both languages");
}

TEST(ModelInfo, TheKindOfModelMaySayWhatTheTokenizerIs) {
  ChangedCheckpoint changed("xlm-roberta-odd", {});
  const std::string tokenizer = infoOf(changed.path(), /*tokenizer=*/true).tokenizer;
  std::filesystem::remove(changed.path() + "/tokenizer_config.json");
  llmc::text::TokenizerModel with, without;
  ASSERT_TRUE(with.ParseFromString(tokenizer));
  ASSERT_TRUE(without.ParseFromString(infoOf(changed.path(), /*tokenizer=*/true).tokenizer));
  EXPECT_EQ(without.vocabulary().text(), with.vocabulary().text());
  EXPECT_EQ(without.single_template().pieces_size(), 3);
  changed.write("tokenizer_config.json", R"({"tokenizer_class": "CamembertTokenizer"})");
  EXPECT_EQ(refusalOf(changed.path(), changed.path(), /*tokenizer=*/true),
            changed.path() +
                ": sentencepiece.bpe.model: tokenizer_class 'CamembertTokenizer' is not supported with a "
                "SentencePiece model; supported are GemmaTokenizer, LlamaTokenizer, MarianTokenizer, "
                "MT5Tokenizer, T5Tokenizer, XLMRobertaTokenizer");
  changed.write("sentencepiece.bpe.model", "hello");
  EXPECT_EQ(refusalOf(changed.path(), changed.path(), /*tokenizer=*/true),
            changed.path() + ": sentencepiece.bpe.model: is not a SentencePiece model");
  std::filesystem::remove(changed.path() + "/sentencepiece.bpe.model");
  EXPECT_EQ(
      refusalOf(changed.path(), changed.path(), /*tokenizer=*/true),
      changed.path() +
          ": has no tokenizer.json, and none of tokenizer.model, spiece.model, sentencepiece.bpe.model, "
          "source.spm");
}

TEST(ModelInfo, LicenceStandsInTheModelCard) {
  ChangedCheckpoint changed("llama-odd", {});
  changed.write("README.md", "---\nlanguage: en\nlicense: apache-2.0\n---\nlicense: none\n");
  EXPECT_EQ(infoOf(changed.path()).licence, "apache-2.0");
  changed.write("README.md", "license: apache-2.0\n");
  EXPECT_EQ(infoOf(changed.path()).licence, "");
}

TEST(ModelInfo, SamplingDefaultsOfADirectory) {
  ChangedCheckpoint changed("llama-odd", {});
  changed.write(
      "generation_config.json",
      R"({"do_sample": true, "temperature": 0.6, "top_k": 40, "top_p": 0.9, "repetition_penalty": 1.1})");
  SamplingDefaults sampling = infoOf(changed.path()).sampling;
  EXPECT_EQ(sampling.sample, true);
  EXPECT_EQ(sampling.temperature, 0.6);
  EXPECT_EQ(sampling.topK, 40);
  EXPECT_EQ(sampling.topP, 0.9);
  EXPECT_EQ(sampling.minP, std::nullopt);
  EXPECT_EQ(sampling.repetitionPenalty, 1.1);
  changed.write("generation_config.json", R"({"temperature": "hot"})");
  EXPECT_EQ(refusalOf(changed.path(), changed.path()),
            "generation_config.json: temperature is 'hot', expected a finite number");
}

TEST(ModelInfo, OfASentenceEncoder) {
  ChangedCheckpoint changed("bert-odd", {});
  ModelInfo info = infoOf(changed.path());
  ASSERT_TRUE(info.pooling);
  EXPECT_EQ(info.kind, ModelKind::Embed);
  EXPECT_EQ(info.pooling->mode, Pooling::Mode::Mean);
  EXPECT_TRUE(info.pooling->normalize);
  EXPECT_EQ(info.sizes.contextLength, 64);

  changed.write("modules.json", R"([
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}])");
  changed.write("sentence_bert_config.json", R"({"max_seq_length": 32, "do_lower_case": true})");
  std::filesystem::create_directory(changed.path() + "/1_Pooling");
  changed.write("1_Pooling/config.json", R"({"word_embedding_dimension": 36, "pooling_mode_cls_token": true,
                                             "pooling_mode_mean_tokens": false})");
  info = infoOf(changed.path(), /*tokenizer=*/true);
  ASSERT_TRUE(info.pooling);
  EXPECT_EQ(info.pooling->mode, Pooling::Mode::First);
  EXPECT_FALSE(info.pooling->normalize);
  llmc::text::TokenizerModel tokenizer;
  ASSERT_TRUE(tokenizer.ParseFromString(info.tokenizer));
  ASSERT_EQ(tokenizer.normalizer_size(), 2);
  EXPECT_TRUE(tokenizer.normalizer(0).has_lowercase());
  EXPECT_TRUE(tokenizer.normalizer(1).has_bert());
  EXPECT_EQ(info.sizes.contextLength, 32);
}

/// The names of the files that an import of `path` reads, below `folder`.
std::vector<std::string> filesOf(const std::string &path, const std::string &folder, bool tokenizer) {
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  auto imported = importModel(path, {.tokenizer = tokenizer}, &context);
  EXPECT_TRUE(imported.ok()) << imported.status().message();
  std::vector<std::string> names;
  if (imported.ok())
    for (const std::string &file : imported->files)
      names.push_back(std::filesystem::relative(file, folder).string());
  return names;
}

TEST(ImportedModel, KnowsTheFilesThatWereRead) {
  ChangedCheckpoint changed("bert-odd", {});
  changed.write("README.md", "---\nlicense: mit\n---\n");
  changed.write("modules.json", R"([
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}])");
  changed.write("sentence_bert_config.json", R"({"max_seq_length": 32, "do_lower_case": true})");
  std::filesystem::create_directory(changed.path() + "/1_Pooling");
  changed.write("1_Pooling/config.json", R"({"word_embedding_dimension": 36})");
  EXPECT_THAT(
      filesOf(changed.path(), changed.path(), /*tokenizer=*/true),
      ::testing::IsSupersetOf({"config.json", "model.safetensors", "tokenizer.json", "README.md",
                               "modules.json", "sentence_bert_config.json", "1_Pooling/config.json"}));
  TemporaryFolder folder;
  EXPECT_THAT(filesOf(folder.write("m.gguf", GgufConversion("bert-odd").file()), folder.path(), false),
              ::testing::ElementsAre("m.gguf"));
}

TEST(ModelInfo, DecodersOfSentenceTransformersMakeEmbeddings) {
  ChangedCheckpoint changed("qwen2-odd", {});
  changed.write("modules.json", R"([{"path": "", "type": "sentence_transformers.models.Transformer"},
                                    {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}])");
  std::filesystem::create_directory(changed.path() + "/1_Pooling");
  changed.write("1_Pooling/config.json", R"({"word_embedding_dimension": 36, "pooling_mode": "lasttoken"})");
  ModelInfo info = Model(changed.path()).info();
  EXPECT_EQ(info.kind, ModelKind::Embed);
  EXPECT_TRUE(info.causal);
  ASSERT_TRUE(info.pooling);
  EXPECT_EQ(info.pooling->mode, Pooling::Mode::Last);
  EXPECT_FALSE(info.pooling->normalize);
  // As llama.cpp's converter has it.
  TemporaryFolder folder;
  info = Model(folder.write("m.gguf", GgufConversion("qwen2-odd").integer("pooling_type", 3).file())).info();
  EXPECT_EQ(info.kind, ModelKind::Embed);
  ASSERT_TRUE(info.pooling);
  EXPECT_EQ(info.pooling->mode, Pooling::Mode::Last);
  EXPECT_TRUE(info.pooling->normalize);
}

TEST(ModelInfo, DecodersWithoutAHeadNeedAPooling) {
  ChangedCheckpoint changed("qwen2-odd", {{"architectures", {"Qwen2Model"}}});
  EXPECT_EQ(
      refusalOf(changed.path(), changed.path()).substr(changed.path().size()),
      ": does not say how the states of the tokens become one vector, expected modules.json or --pooling");
}

} // namespace
