//===- TokenizerFiles.cpp - finds what the tokenizer importers read ----------------------------------===//

#include "frontend/import/TokenizerFiles.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "frontend/tokenizer/GgufTokenizer.h"
#include "frontend/tokenizer/SentencePieceModel.h"
#include "frontend/tokenizer/TokenizerJson.h"
#include "runtime/io/MappedFile.h"
#include "runtime/io/Message.h"
#include <algorithm>
#include <utility>

using namespace llmc;
using namespace llmc::frontend;

namespace {

/// The text of a file of a directory, mapped; nothing if there is no such file.
class FileText {
public:
  absl::Status open(const hf::Directory &directory, absl::string_view name) {
    std::optional<std::string> path = directory.find(name);
    if (!path)
      return absl::OkStatus();
    absl::StatusOr<io::MappedFile> opened = io::MappedFile::open(*path);
    if (opened.ok())
      file = std::move(*opened);
    return opened.status();
  }

  std::optional<absl::string_view> text() const {
    if (!file)
      return std::nullopt;
    return absl::string_view(reinterpret_cast<const char *>(file->bytes().data()), file->size());
  }

private:
  std::optional<io::MappedFile> file;
};

/// Reads the typed entries of a GGUF file; keeps the first error.
class GgufFields {
public:
  explicit GgufFields(const gguf::Reader &reader) : reader(reader) {}

  std::string text(absl::string_view key) {
    absl::StatusOr<absl::string_view> value = reader.stringOr(key, "");
    status.Update(value.status());
    return value.ok() ? std::string(*value) : "";
  }
  std::vector<std::string> texts(absl::string_view key) {
    absl::StatusOr<std::vector<absl::string_view>> values = reader.strings(key);
    if (!values.ok()) {
      keepUnlessMissing(values.status());
      return {};
    }
    return std::vector<std::string>(values->begin(), values->end());
  }
  std::vector<int32_t> types(absl::string_view key) {
    absl::StatusOr<std::vector<int64_t>> values = reader.integers(key);
    keepUnlessMissing(values.status());
    std::vector<int32_t> types;
    for (int64_t value : values.ok() ? *values : std::vector<int64_t>())
      types.push_back(static_cast<int32_t>(std::clamp<int64_t>(value, -1, INT32_MAX)));
    return types;
  }
  std::vector<double> numbers(absl::string_view key) {
    absl::StatusOr<std::vector<double>> values = reader.numbers(key);
    keepUnlessMissing(values.status());
    return values.ok() ? *std::move(values) : std::vector<double>();
  }
  std::optional<uint32_t> id(absl::string_view key) {
    absl::StatusOr<int64_t> value = reader.integer(key);
    keepUnlessMissing(value.status());
    // -1 stands for "none" in some files.
    if (!value.ok() || *value < 0 || *value > int64_t(UINT32_MAX))
      return std::nullopt;
    return static_cast<uint32_t>(*value);
  }
  std::string bytes(absl::string_view key) {
    absl::StatusOr<std::vector<int64_t>> values = reader.integers(key);
    keepUnlessMissing(values.status());
    return values.ok() ? std::string(values->begin(), values->end()) : "";
  }
  std::optional<bool> flag(absl::string_view key) {
    absl::StatusOr<bool> value = reader.boolean(key);
    keepUnlessMissing(value.status());
    return value.ok() ? std::optional(*value) : std::nullopt;
  }

  absl::Status status;

private:
  void keepUnlessMissing(const absl::Status &error) {
    if (!absl::IsNotFound(error))
      status.Update(error);
  }

  const gguf::Reader &reader;
};

// What the classes of transformers call a SentencePiece model.
constexpr absl::string_view kSentencePieceFiles[] = {"tokenizer.model", "spiece.model",
                                                     "sentencepiece.bpe.model", "source.spm"};

/// The class that reads the SentencePiece model of a directory: as tokenizer_config.json says, else that of
/// the kind of model.
absl::StatusOr<std::string> tokenizerClassOf(const hf::Directory &directory) {
  static constexpr std::pair<absl::string_view, absl::string_view> kClasses[] = {
      {"gemma", "GemmaTokenizer"},
      {"gemma2", "GemmaTokenizer"},
      {"gemma3_text", "GemmaTokenizer"},
      {"llama", "LlamaTokenizer"},
      {"marian", "MarianTokenizer"},
      {"mistral", "LlamaTokenizer"},
      {"phi3", "LlamaTokenizer"},
      {"mt5", "T5Tokenizer"},
      {"t5", "T5Tokenizer"},
      {"umt5", "T5Tokenizer"},
      {"xlm-roberta", "XLMRobertaTokenizer"}};
  constexpr absl::string_view field = "tokenizer_class";
  if (const auto &config = directory.tokenizerConfig(); config && config->has(field))
    return config->string(field);
  absl::StatusOr<std::string> kind = directory.config().string("model_type");
  if (!kind.ok())
    return kind.status();
  for (auto [known, name] : kClasses)
    if (*kind == known)
      return std::string(name);
  return directory.config().wrong(
      "model_type", "a kind of model whose tokenizer is known, or tokenizer_class in tokenizer_config.json");
}

/// The files of a directory that say how text becomes tokens.
struct TokenizerTexts {
  FileText tokenizer, sentencePiece, vocabulary, addedTokens, config, generation, chatTemplate;
  std::string sentencePieceName;

  absl::Status open(const hf::Directory &directory) {
    absl::Status status = tokenizer.open(directory, "tokenizer.json");
    status.Update(config.open(directory, "tokenizer_config.json"));
    status.Update(generation.open(directory, "generation_config.json"));
    status.Update(chatTemplate.open(directory, "chat_template.jinja"));
    for (absl::string_view name : kSentencePieceFiles)
      if (!tokenizer.text() && !sentencePiece.text()) {
        status.Update(sentencePiece.open(directory, name));
        sentencePieceName = std::string(name);
      }
    if (sentencePiece.text())
      status.Update(addedTokens.open(directory, "added_tokens.json"));
    if (sentencePieceName == "source.spm")
      status.Update(vocabulary.open(directory, "vocab.json"));
    if (status.ok() && !tokenizer.text() && !sentencePiece.text())
      return absl::NotFoundError(absl::StrCat(directory.path(), ": has no tokenizer.json, and none of ",
                                              absl::StrJoin(kSentencePieceFiles, ", ")));
    return status;
  }
};

absl::StatusOr<text::TokenizerModel> importTokenizer(const TokenizerTexts &texts,
                                                     const std::string &tokenizerClass) {
  const tokenizer::TokenizerConfigFiles config = {texts.config.text(), texts.generation.text(),
                                                  texts.chatTemplate.text()};
  if (texts.tokenizer.text())
    return tokenizer::importTokenizerJson({*texts.tokenizer.text(), config});
  return tokenizer::importSentencePieceModel({texts.sentencePieceName, *texts.sentencePiece.text(),
                                              tokenizerClass, config, texts.addedTokens.text(),
                                              texts.vocabulary.text()});
}

} // namespace

absl::StatusOr<std::string> llmc::frontend::readHuggingFaceTokenizer(const hf::Directory &directory) {
  TokenizerTexts texts;
  if (absl::Status status = texts.open(directory); !status.ok())
    return status;
  absl::StatusOr<std::string> tokenizerClass =
      texts.sentencePiece.text() ? tokenizerClassOf(directory) : std::string();
  if (!tokenizerClass.ok())
    return tokenizerClass.status();
  absl::StatusOr<text::TokenizerModel> model = importTokenizer(texts, *tokenizerClass);
  if (!model.ok())
    return io::withContext(directory.path(), model.status());
  // Models without generation_config.json say in config.json what ends a text.
  absl::StatusOr<std::vector<int64_t>> ends = directory.endTokens();
  if (!ends.ok())
    return ends.status();
  for (int64_t id : *ends)
    if (id >= 0 &&
        std::find(model->stop_ids().begin(), model->stop_ids().end(), id) == model->stop_ids().end())
      model->add_stop_ids(static_cast<uint32_t>(id));
  return model->SerializeAsString();
}

absl::StatusOr<std::string> llmc::frontend::readGgufTokenizer(const gguf::Reader &reader) {
  GgufFields entries(reader);
  tokenizer::GgufTokenizerFields fields;
  fields.model = entries.text("tokenizer.ggml.model");
  fields.pre = entries.text("tokenizer.ggml.pre");
  fields.tokens = entries.texts("tokenizer.ggml.tokens");
  fields.tokenTypes = entries.types("tokenizer.ggml.token_type");
  fields.scores = entries.numbers("tokenizer.ggml.scores");
  fields.merges = entries.texts("tokenizer.ggml.merges");
  fields.bosId = entries.id("tokenizer.ggml.bos_token_id");
  fields.eosId = entries.id("tokenizer.ggml.eos_token_id");
  fields.eotId = entries.id("tokenizer.ggml.eot_token_id");
  fields.unkId = entries.id("tokenizer.ggml.unknown_token_id");
  fields.padId = entries.id("tokenizer.ggml.padding_token_id");
  fields.clsId = entries.id("tokenizer.ggml.cls_token_id");
  fields.sepId = entries.id("tokenizer.ggml.seperator_token_id"); // spelled so
  fields.addBos = entries.flag("tokenizer.ggml.add_bos_token");
  fields.addEos = entries.flag("tokenizer.ggml.add_eos_token");
  fields.addSpacePrefix = entries.flag("tokenizer.ggml.add_space_prefix");
  fields.removeExtraWhitespaces = entries.flag("tokenizer.ggml.remove_extra_whitespaces");
  fields.precompiledCharsmap = entries.bytes("tokenizer.ggml.precompiled_charsmap");
  fields.chatTemplate = entries.text("tokenizer.chat_template");
  if (!entries.status.ok())
    return entries.status;
  absl::StatusOr<text::TokenizerModel> model = tokenizer::importGgufTokenizer(fields);
  if (!model.ok())
    return io::withContext(reader.path(), model.status());
  return model->SerializeAsString();
}
