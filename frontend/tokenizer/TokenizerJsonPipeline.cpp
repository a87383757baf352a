//===- TokenizerJsonPipeline.cpp - the steps around the model -------------===//

#include "frontend/tokenizer/TokenizerJsonPipeline.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

#include "runtime/io/Message.h"
#include "runtime/text/CharacterMap.h"

namespace llmc::tokenizer {

namespace {

using text::NormalizerStep;
using text::PreTokenizerStep;
using text::Template;
using text::TokenizerModel;

// Assigns a value or returns the error of the enclosing function.
#define LLMC_ASSIGN(target, expression)                                                                      \
  do {                                                                                                       \
    auto result = (expression);                                                                              \
    if (!result.ok())                                                                                        \
      return result.status();                                                                                \
    target(*std::move(result));                                                                              \
  } while (false)

absl::Status importPattern(const JsonField &field, text::Pattern &pattern) {
  if (JsonField literal = field["String"]; !literal.isNull()) {
    LLMC_ASSIGN(pattern.set_literal, literal.string());
    return absl::OkStatus();
  }
  if (JsonField regex = field["Regex"]; !regex.isNull()) {
    LLMC_ASSIGN(pattern.set_regex, regex.string());
    return absl::OkStatus();
  }
  return field.wrongKind("an object with String or Regex");
}

/// Imports the step at `field` by `importOne`, which is told its type. A Sequence has steps in its array
/// `steps`; null is none.
template <typename ImportOne>
absl::Status importSteps(const JsonField &field, const char *steps, TokenizerModel &model,
                         ImportOne importOne) {
  if (field.isNull())
    return absl::OkStatus();
  absl::StatusOr<std::string> type = field["type"].string();
  if (!type.ok())
    return type.status();
  if (*type != "Sequence")
    return importOne(*type, field, model);
  absl::StatusOr<size_t> count = field[steps].arraySize();
  if (!count.ok())
    return count.status();
  for (size_t i = 0; i < *count; ++i)
    if (absl::Status status = importSteps(field[steps].element(i), steps, model, importOne); !status.ok())
      return status;
  return absl::OkStatus();
}

absl::Status importBertNormalizer(const JsonField &field, NormalizerStep::Bert &bert) {
  LLMC_ASSIGN(bert.set_clean_text, field["clean_text"].booleanOr(true));
  LLMC_ASSIGN(bert.set_handle_chinese_chars, field["handle_chinese_chars"].booleanOr(true));
  LLMC_ASSIGN(bert.set_lowercase, field["lowercase"].booleanOr(true));
  // Without a word about accents they go with the case.
  LLMC_ASSIGN(bert.set_strip_accents, field["strip_accents"].booleanOr(bert.lowercase()));
  return absl::OkStatus();
}

absl::StatusOr<PreTokenizerStep::Behavior> importBehavior(const JsonField &field) {
  absl::StatusOr<std::string> name = field.stringOr("Isolated");
  if (!name.ok())
    return name.status();
  static constexpr std::pair<absl::string_view, PreTokenizerStep::Behavior> kBehaviors[] = {
      {"Removed", PreTokenizerStep::REMOVED},
      {"Isolated", PreTokenizerStep::ISOLATED},
      {"MergedWithPrevious", PreTokenizerStep::MERGED_WITH_PREVIOUS},
      {"MergedWithNext", PreTokenizerStep::MERGED_WITH_NEXT},
      {"Contiguous", PreTokenizerStep::CONTIGUOUS}};
  for (auto [known, behavior] : kBehaviors)
    if (*name == known)
      return behavior;
  return field.error(absl::StrCat(io::quote(*name), " is not a behavior"));
}

absl::Status importMetaspace(const JsonField &field, PreTokenizerStep::Metaspace &metaspace) {
  LLMC_ASSIGN(metaspace.set_replacement, field["replacement"].stringOr("\u2581"));
  LLMC_ASSIGN(metaspace.set_split, field["split"].booleanOr(true));
  absl::StatusOr<std::string> scheme = field["prepend_scheme"].stringOr("");
  // Older files say it with a boolean.
  absl::StatusOr<bool> addPrefixSpace = field["add_prefix_space"].booleanOr(true);
  if (!scheme.ok() || !addPrefixSpace.ok())
    return scheme.ok() ? addPrefixSpace.status() : scheme.status();
  if (scheme->empty())
    scheme = *addPrefixSpace ? "always" : "never";
  if (*scheme == "always")
    metaspace.set_prepend_scheme(PreTokenizerStep::Metaspace::ALWAYS);
  else if (*scheme == "first")
    metaspace.set_prepend_scheme(PreTokenizerStep::Metaspace::FIRST);
  else if (*scheme == "never")
    metaspace.set_prepend_scheme(PreTokenizerStep::Metaspace::NEVER);
  else
    return field["prepend_scheme"].error(absl::StrCat(io::quote(*scheme), " is not a scheme"));
  return absl::OkStatus();
}

absl::Status importSplit(const JsonField &field, PreTokenizerStep::Split &split) {
  if (absl::Status status = importPattern(field["pattern"], *split.mutable_pattern()); !status.ok())
    return status;
  LLMC_ASSIGN(split.set_behavior, importBehavior(field["behavior"]));
  LLMC_ASSIGN(split.set_invert, field["invert"].booleanOr(false));
  return absl::OkStatus();
}

/// A template of pieces {"SpecialToken": {"id"}} and {"Sequence": {"id"}}.
absl::Status importTemplate(const JsonField &field, const JsonField &specialTokens, Template &shape) {
  absl::StatusOr<size_t> count = field.arraySize();
  if (!count.ok())
    return count.status();
  for (size_t i = 0; i < *count; ++i) {
    JsonField piece = field.element(i);
    if (JsonField sequence = piece["Sequence"]; !sequence.isNull()) {
      absl::StatusOr<std::string> name = sequence["id"].string();
      if (!name.ok())
        return name.status();
      if (*name != "A" && *name != "B")
        return sequence["id"].error(absl::StrCat("is ", io::quote(*name), ", expected A or B"));
      Template::Piece &added = *shape.add_pieces();
      added.set_sequence(*name == "A" ? Template::Piece::A : Template::Piece::B);
      if (!sequence["type_id"].isNull())
        LLMC_ASSIGN(added.set_type, sequence["type_id"].id());
      continue;
    }
    absl::StatusOr<std::string> name = piece["SpecialToken"]["id"].string();
    if (!name.ok())
      return name.status();
    JsonField ids = specialTokens[*name]["ids"];
    absl::StatusOr<size_t> idCount = ids.arraySize();
    if (!idCount.ok())
      return idCount.status();
    for (size_t j = 0; j < *idCount; ++j) {
      Template::Piece &added = *shape.add_pieces();
      LLMC_ASSIGN(added.set_token_id, ids.element(j).id());
      if (JsonField type = piece["SpecialToken"]["type_id"]; !type.isNull())
        LLMC_ASSIGN(added.set_type, type.id());
    }
  }
  return absl::OkStatus();
}

void addSequence(Template &shape, Template::Piece::Sequence sequence, uint32_t type = 0) {
  Template::Piece &piece = *shape.add_pieces();
  piece.set_sequence(sequence);
  piece.set_type(type);
}

/// [CLS] A [SEP], and for a pair [CLS] A [SEP] B [SEP]; RoBERTa has two separators between the texts.
absl::Status importClsSep(const JsonField &field, bool doubleSeparator, TokenizerModel &model) {
  uint32_t ids[2];
  for (int i = 0; i < 2; ++i) {
    JsonField token = field[i == 0 ? "cls" : "sep"];
    absl::StatusOr<size_t> size = token.arraySize();
    if (!size.ok() || *size != 2)
      return token.wrongKind("an array of a token and its id");
    absl::StatusOr<uint32_t> id = token.element(1).id();
    if (!id.ok())
      return id.status();
    ids[i] = *id;
  }
  Template &single = *model.mutable_single_template();
  single.add_pieces()->set_token_id(ids[0]);
  addSequence(single, Template::Piece::A);
  single.add_pieces()->set_token_id(ids[1]);
  Template &pair = *model.mutable_pair_template();
  pair = single;
  if (doubleSeparator)
    pair.add_pieces()->set_token_id(ids[1]);
  // RoBERTa tells no segments apart.
  const uint32_t second = doubleSeparator ? 0 : 1;
  addSequence(pair, Template::Piece::B, second);
  Template::Piece &end = *pair.add_pieces();
  end.set_token_id(ids[1]);
  end.set_type(second);
  return absl::OkStatus();
}

absl::Status importWordPieceDecoder(const JsonField &field, TokenizerModel &model) {
  text::Decoder::WordPiece &wordPiece = *model.mutable_decoder()->mutable_word_piece();
  LLMC_ASSIGN(wordPiece.set_prefix, field["prefix"].stringOr("##"));
  LLMC_ASSIGN(wordPiece.set_cleanup, field["cleanup"].booleanOr(true));
  return absl::OkStatus();
}

absl::Status importMetaspaceDecoder(const JsonField &field, TokenizerModel &model) {
  PreTokenizerStep::Metaspace metaspace;
  if (absl::Status status = importMetaspace(field, metaspace); !status.ok())
    return status;
  text::Decoder::Metaspace &decoder = *model.mutable_decoder()->mutable_metaspace();
  decoder.set_marker(metaspace.replacement());
  decoder.set_drop_first(metaspace.prepend_scheme() != PreTokenizerStep::Metaspace::NEVER);
  return absl::OkStatus();
}

constexpr absl::string_view kSupportedDecoders =
    "supported are ByteLevel, Metaspace, WordPiece and the sequence "
    "Replace, ByteFallback, Fuse, Strip of SentencePiece models";

/// The sequence [Replace] [ByteFallback] [Fuse] [Strip], with parts left out.
absl::Status importDecoderSequence(const JsonField &field, TokenizerModel &model) {
  absl::StatusOr<size_t> count = field.arraySize();
  if (!count.ok())
    return count.status();
  // A sequence of one is that one.
  if (*count == 1)
    return importDecoder(field.element(0), model);
  text::Decoder::Pieces &pieces = *model.mutable_decoder()->mutable_pieces();
  constexpr absl::string_view kOrder[] = {"Replace", "ByteFallback", "Fuse", "Strip"};
  size_t next = 0;
  for (size_t i = 0; i < *count; ++i) {
    JsonField step = field.element(i);
    absl::StatusOr<std::string> type = step["type"].string();
    if (!type.ok())
      return type.status();
    while (next < std::size(kOrder) && kOrder[next] != *type)
      ++next;
    if (next++ == std::size(kOrder))
      return step.unsupported(
          absl::StrCat("decoder ", io::quote(*type), " is not supported here; ", kSupportedDecoders));
    if (*type == "Replace") {
      JsonField marker = step["pattern"]["String"];
      if (marker.isNull() || marker.value() == "" || step["content"].value() != " ")
        return step.unsupported("a Replace of other than a string by a space is not supported");
      LLMC_ASSIGN(pieces.set_marker, marker.string());
    } else if (*type == "ByteFallback") {
      pieces.set_byte_fallback(true);
    } else if (*type == "Strip") {
      if (step["content"].value() != " " || (!step["stop"].isNull() && step["stop"].value() != 0))
        return step.unsupported("a Strip of other than spaces on the left is not supported");
      LLMC_ASSIGN(pieces.set_strip_left, step["start"].id());
    }
  }
  return absl::OkStatus();
}

absl::Status importOneNormalizer(const std::string &type, const JsonField &field, TokenizerModel &model) {
  static constexpr std::pair<absl::string_view, NormalizerStep::UnicodeForm> kForms[] = {
      {"NFC", NormalizerStep::NFC},
      {"NFD", NormalizerStep::NFD},
      {"NFKC", NormalizerStep::NFKC},
      {"NFKD", NormalizerStep::NFKD}};
  for (auto [name, form] : kForms)
    if (type == name) {
      model.add_normalizer()->set_unicode_form(form);
      return absl::OkStatus();
    }
  if (type == "Lowercase") {
    model.add_normalizer()->mutable_lowercase();
  } else if (type == "StripAccents") {
    model.add_normalizer()->mutable_strip_accents();
  } else if (type == "BertNormalizer") {
    return importBertNormalizer(field, *model.add_normalizer()->mutable_bert());
  } else if (type == "Replace") {
    NormalizerStep::Replace &replace = *model.add_normalizer()->mutable_replace();
    LLMC_ASSIGN(replace.set_content, field["content"].string());
    return importPattern(field["pattern"], *replace.mutable_pattern());
  } else if (type == "Prepend") {
    LLMC_ASSIGN(model.add_normalizer()->mutable_prepend()->set_content, field["prepend"].string());
  } else if (type == "Precompiled") {
    absl::StatusOr<std::string> charsmap = field["precompiled_charsmap"].string();
    if (!charsmap.ok())
      return charsmap.status();
    std::string &rules = *model.add_normalizer()->mutable_precompiled()->mutable_charsmap();
    if (!absl::Base64Unescape(*charsmap, &rules))
      return field["precompiled_charsmap"].error("is not base64");
    if (absl::Status status = text::CharacterMap::create(rules).status(); !status.ok())
      return field.error(status.message());
  } else if (type == "Strip") {
    NormalizerStep::Strip &strip = *model.add_normalizer()->mutable_strip();
    LLMC_ASSIGN(strip.set_left, field["strip_left"].booleanOr(true));
    LLMC_ASSIGN(strip.set_right, field["strip_right"].booleanOr(true));
  } else {
    return field.unsupported(
        absl::StrCat("normalizer ", io::quote(type),
                     " is not supported; supported are BertNormalizer, Lowercase, NFC, NFD, "
                     "NFKC, NFKD, Precompiled, Prepend, Replace, Sequence, Strip, StripAccents"));
  }
  return absl::OkStatus();
}

absl::Status importOnePreTokenizer(const std::string &type, const JsonField &field, TokenizerModel &model) {
  if (type == "ByteLevel") {
    PreTokenizerStep::ByteLevel &byteLevel = *model.add_pre_tokenizer()->mutable_byte_level();
    LLMC_ASSIGN(byteLevel.set_add_prefix_space, field["add_prefix_space"].booleanOr(true));
    LLMC_ASSIGN(byteLevel.set_use_regex, field["use_regex"].booleanOr(true));
  } else if (type == "Split") {
    return importSplit(field, *model.add_pre_tokenizer()->mutable_split());
  } else if (type == "CharDelimiterSplit") {
    PreTokenizerStep::Split &split = *model.add_pre_tokenizer()->mutable_split();
    split.set_behavior(PreTokenizerStep::REMOVED);
    LLMC_ASSIGN(split.mutable_pattern()->set_literal, field["delimiter"].string());
  } else if (type == "Digits") {
    LLMC_ASSIGN(model.add_pre_tokenizer()->mutable_digits()->set_individual_digits,
                field["individual_digits"].booleanOr(false));
  } else if (type == "Whitespace") {
    model.add_pre_tokenizer()->mutable_whitespace();
  } else if (type == "WhitespaceSplit") {
    model.add_pre_tokenizer()->mutable_whitespace_split();
  } else if (type == "Punctuation") {
    LLMC_ASSIGN(model.add_pre_tokenizer()->mutable_punctuation()->set_behavior,
                importBehavior(field["behavior"]));
  } else if (type == "BertPreTokenizer") {
    model.add_pre_tokenizer()->mutable_bert();
  } else if (type == "Metaspace") {
    return importMetaspace(field, *model.add_pre_tokenizer()->mutable_metaspace());
  } else {
    return field.unsupported(
        absl::StrCat("pre-tokenizer ", io::quote(type),
                     " is not supported; supported are BertPreTokenizer, ByteLevel, "
                     "CharDelimiterSplit, Digits, Metaspace, Punctuation, Sequence, Split, "
                     "Whitespace, WhitespaceSplit"));
  }
  return absl::OkStatus();
}

absl::Status importOnePostProcessor(const std::string &type, const JsonField &field, TokenizerModel &model) {
  if (type == "ByteLevel") // only about positions in the text
    return absl::OkStatus();
  if (model.has_single_template())
    return field.unsupported("more than one post-processor that adds tokens is not supported");
  if (type == "TemplateProcessing") {
    if (absl::Status status =
            importTemplate(field["single"], field["special_tokens"], *model.mutable_single_template());
        !status.ok())
      return status;
    return importTemplate(field["pair"], field["special_tokens"], *model.mutable_pair_template());
  }
  if (type == "BertProcessing" || type == "RobertaProcessing")
    return importClsSep(field, /*doubleSeparator=*/type == "RobertaProcessing", model);
  return field.unsupported(absl::StrCat("post-processor ", io::quote(type),
                                        " is not supported; supported are BertProcessing, ByteLevel, "
                                        "RobertaProcessing, Sequence, TemplateProcessing"));
}

} // namespace

absl::Status importNormalizer(const JsonField &field, TokenizerModel &model) {
  return importSteps(field, "normalizers", model, importOneNormalizer);
}

absl::Status importPreTokenizer(const JsonField &field, TokenizerModel &model) {
  return importSteps(field, "pretokenizers", model, importOnePreTokenizer);
}

absl::Status importPostProcessor(const JsonField &field, TokenizerModel &model) {
  return importSteps(field, "processors", model, importOnePostProcessor);
}

absl::Status importDecoder(const JsonField &field, TokenizerModel &model) {
  if (field.isNull()) {
    model.mutable_decoder()->mutable_spaces();
    return absl::OkStatus();
  }
  absl::StatusOr<std::string> type = field["type"].string();
  if (!type.ok())
    return type.status();
  if (*type == "ByteLevel") {
    model.mutable_decoder()->mutable_byte_level();
    return absl::OkStatus();
  }
  if (*type == "WordPiece")
    return importWordPieceDecoder(field, model);
  if (*type == "Metaspace")
    return importMetaspaceDecoder(field, model);
  if (*type == "Sequence")
    return importDecoderSequence(field["decoders"], model);
  return field.unsupported(
      absl::StrCat("decoder ", io::quote(*type), " is not supported; ", kSupportedDecoders));
}

} // namespace llmc::tokenizer
