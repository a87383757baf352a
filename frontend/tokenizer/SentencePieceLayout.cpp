//===- SentencePieceLayout.cpp - ids around the pieces of SentencePiece ---===//

#include "frontend/tokenizer/SentencePieceLayout.h"

#include <initializer_list>
#include <utility>
#include <variant>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"

#include "runtime/io/Message.h"

namespace llmc::tokenizer {

namespace {

using text::Template;
using text::TokenizerModel;

absl::Status arrangeNothing(const JsonField &, const JsonField &, SentencePieces &) {
  return absl::OkStatus();
}
absl::Status finishNothing(const JsonField &, const TokenIds &, TokenizerModel &) { return absl::OkStatus(); }

/// A template of tokens by their texts, and of the texts themselves as A and B.
absl::Status setTemplate(std::initializer_list<absl::string_view> parts, const TokenIds &ids,
                         Template &shape) {
  shape.Clear();
  for (absl::string_view part : parts) {
    if (part == "A" || part == "B") {
      shape.add_pieces()->set_sequence(part == "A" ? Template::Piece::A : Template::Piece::B);
      continue;
    }
    std::optional<uint32_t> id = ids.find(part);
    if (!id)
      return absl::InvalidArgumentError(absl::StrCat("there is no piece ", io::quote(part)));
    shape.add_pieces()->set_token_id(*id);
  }
  return absl::OkStatus();
}

/// The ids of T5 go on with the marks of its gaps, the first of them last (Raffel et al., 2020).
absl::Status arrangeT5(const JsonField &config, const JsonField &, SentencePieces &pieces) {
  uint32_t count = 100;
  if (JsonField field = config["extra_ids"]; !field.isNull()) {
    absl::StatusOr<uint32_t> given = field.id();
    if (!given.ok())
      return given.status();
    if (*given > 65536)
      return field.error(absl::StrCat("is ", *given, ", expected at most 65536"));
    count = *given;
  }
  if (TokenIds(pieces.texts).find("<extra_id_0>"))
    return absl::OkStatus();
  while (count-- > 0)
    pieces.add(absl::StrCat("<extra_id_", count, ">"), 0, PieceType::Control);
  return absl::OkStatus();
}

absl::Status finishT5(const JsonField &, const TokenIds &ids, TokenizerModel &model) {
  absl::Status status = setTemplate({"A", "</s>"}, ids, *model.mutable_single_template());
  status.Update(setTemplate({"A", "</s>", "B", "</s>"}, ids, *model.mutable_pair_template()));
  return status;
}

absl::Status finishLlama(const JsonField &config, const TokenIds &, TokenizerModel &model) {
  setBosAndEos(/*bos=*/true, /*eos=*/false, model);
  using Step = text::NormalizerStep::SentencePiece;
  Step &step = *model.mutable_normalizer(0)->mutable_sentence_piece();
  absl::StatusOr<bool> prefix = config["add_prefix_space"].booleanOr(true);
  // What transformers did first: a text behind a special token begins like one at the start.
  absl::StatusOr<bool> legacy = config["legacy"].booleanOr(true);
  if (!prefix.ok() || !legacy.ok())
    return prefix.ok() ? legacy.status() : prefix.status();
  if (!*prefix) {
    step.set_dummy_prefix(Step::NEVER);
    model.mutable_decoder()->mutable_pieces()->set_strip_left(0);
  } else if (!*legacy && step.dummy_prefix() == Step::ALWAYS) {
    step.set_dummy_prefix(Step::FIRST);
  }
  return absl::OkStatus();
}

/// Fairseq has four tokens of its own in place of SentencePiece's three (Conneau et al., 2020).
absl::Status arrangeXlmRoberta(const JsonField &, const JsonField &, SentencePieces &pieces) {
  constexpr absl::string_view kReplaced[] = {"<unk>", "<s>", "</s>"};
  for (size_t id = 0; id < std::size(kReplaced); ++id)
    if (id >= pieces.texts.size() || pieces.texts[id] != kReplaced[id] ||
        pieces.types[id] == PieceType::Normal)
      return absl::InvalidArgumentError(
          absl::StrCat("piece ", id, " is ", io::quote(id < pieces.texts.size() ? pieces.texts[id] : ""),
                       ", expected ", io::quote(kReplaced[id]), " for XLMRobertaTokenizer"));
  SentencePieces arranged = pieces;
  arranged.texts.clear();
  arranged.scores.clear();
  arranged.types.clear();
  arranged.add("<s>", 0, PieceType::Control);
  arranged.add("<pad>", 0, PieceType::Control);
  arranged.add("</s>", 0, PieceType::Control);
  arranged.add("<unk>", 0, PieceType::Unknown);
  for (size_t id = std::size(kReplaced); id < pieces.texts.size(); ++id)
    arranged.add(std::move(pieces.texts[id]), pieces.scores[id], pieces.types[id]);
  arranged.add("<mask>", 0, PieceType::Control);
  pieces = std::move(arranged);
  return checkPieces(pieces);
}

absl::Status finishXlmRoberta(const JsonField &, const TokenIds &ids, TokenizerModel &model) {
  for (text::AddedToken &token : *model.mutable_added_tokens())
    if (token.content() == "<mask>")
      token.set_lstrip(true);
  absl::Status status = setTemplate({"<s>", "A", "</s>"}, ids, *model.mutable_single_template());
  status.Update(setTemplate({"<s>", "A", "</s>", "</s>", "B", "</s>"}, ids, *model.mutable_pair_template()));
  return status;
}

/// The type of a token of Marian that is no piece of the source: a control token, which may be the language
/// to translate to (`>>fra<<`), or one that only the other side has.
PieceType typeBeside(absl::string_view token) {
  if (token == "<unk>")
    return PieceType::Unknown;
  const bool isControl = token == "</s>" || token == "<pad>" ||
                         (absl::StartsWith(token, ">>") && absl::EndsWith(token, "<<") && token.size() > 4);
  return isControl ? PieceType::Control : PieceType::Unused;
}

/// The ids of both languages are those of vocab.json (Junczys-Dowmunt et al., 2018). Pieces that it lacks
/// have none, and no text is cut into them.
absl::Status arrangeMarian(const JsonField &config, const JsonField &vocabulary, SentencePieces &pieces) {
  absl::StatusOr<bool> separate = config["separate_vocabs"].booleanOr(false);
  if (!separate.ok())
    return separate.status();
  if (*separate)
    return config["separate_vocabs"].unsupported("a vocabulary of its own for each language");
  if (vocabulary.value().empty())
    return vocabulary.error("has no tokens, expected those of both languages");
  if (pieces.algorithm != SentencePieces::Algorithm::Unigram)
    return absl::UnimplementedError("MarianTokenizer with pieces of BPE is not supported, expected UNIGRAM");
  std::vector<std::string> texts(vocabulary.value().size());
  for (const auto &[text, value] : vocabulary.value().items()) {
    const JsonField field(value, absl::StrCat(vocabulary.place(), ": ", io::quote(text)));
    absl::StatusOr<uint32_t> id = field.id();
    if (!id.ok())
      return id.status();
    if (*id >= texts.size() || !texts[*id].empty())
      return field.error(absl::StrCat("is ", *id, ", expected each of 0 to ", texts.size() - 1, " once"));
    texts[*id] = text;
  }
  const TokenIds ids(pieces.texts);
  SentencePieces arranged = pieces;
  arranged.texts.clear();
  arranged.scores.clear();
  arranged.types.clear();
  for (std::string &text : texts) {
    const std::optional<uint32_t> piece = ids.find(text);
    const bool isPiece = piece && (pieces.types[*piece] == PieceType::Normal ||
                                   pieces.types[*piece] == PieceType::UserDefined);
    const PieceType type = isPiece ? pieces.types[*piece] : typeBeside(text);
    arranged.add(std::move(text), isPiece ? pieces.scores[*piece] : 0, type);
  }
  pieces = std::move(arranged);
  return checkPieces(pieces);
}

absl::Status finishMarian(const JsonField &, const TokenIds &ids, TokenizerModel &model) {
  absl::Status status = setTemplate({"A", "</s>"}, ids, *model.mutable_single_template());
  status.Update(setTemplate({"A", "B", "</s>"}, ids, *model.mutable_pair_template()));
  return status;
}

constexpr SentencePieceLayout kLayouts[] = {
    {"GemmaTokenizer", arrangeNothing, finishLlama},
    {"LlamaTokenizer", arrangeNothing, finishLlama},
    {"MarianTokenizer", arrangeMarian, finishMarian},
    {"MT5Tokenizer", arrangeT5, finishT5},
    {"T5Tokenizer", arrangeT5, finishT5},
    {"XLMRobertaTokenizer", arrangeXlmRoberta, finishXlmRoberta},
};

} // namespace

absl::StatusOr<SentencePieceLayout> findSentencePieceLayout(absl::string_view tokenizerClass) {
  if (tokenizerClass.empty())
    return SentencePieceLayout{"", arrangeNothing, finishNothing};
  absl::string_view name = absl::StripSuffix(tokenizerClass, "Fast");
  std::vector<absl::string_view> known;
  for (const SentencePieceLayout &layout : kLayouts) {
    if (layout.tokenizerClass == name)
      return layout;
    known.push_back(layout.tokenizerClass);
  }
  return absl::UnimplementedError(absl::StrCat("tokenizer_class ", io::quote(tokenizerClass),
                                               " is not supported with a SentencePiece model; supported are ",
                                               absl::StrJoin(known, ", ")));
}

} // namespace llmc::tokenizer
