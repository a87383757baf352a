//===- PackData.cpp - llmc data pack ----------------------------------------------------------------------===//
#include "tools/llmc/CompilerCommands.h"
#include "tools/llmc/Progress.h"
#include "tools/llmc/TokenizerSource.h"

#include "frontend/documents/Documents.h"
#include "runtime/text/Unicode.h"
#include "train/TokenFile.h"

#include "absl/container/flat_hash_map.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <optional>

namespace llmc::tool {

namespace {

using train::LabelKind;

/// The labels of all files, by number in the order in which they are met.
class LabelSet {
public:
  /// Fails for a name that is no line.
  absl::StatusOr<int32_t> numberOf(const std::string &name) {
    if (name.empty() || name.find('\n') != std::string::npos)
      return absl::InvalidArgumentError("a label is empty or has a line feed");
    auto [found, isNew] = numbers.try_emplace(name, static_cast<int32_t>(names.size()));
    if (isNew)
      names.push_back(name);
    return found->second;
  }

  /// The names in the order of numbers if all are such, else of the alphabet; `order` gets their new places.
  std::vector<std::string> sorted(std::vector<int32_t> &order) const {
    std::vector<int32_t> places(names.size());
    std::iota(places.begin(), places.end(), 0);
    std::vector<double> values(names.size());
    bool areNumbers = true;
    for (size_t i = 0; i < names.size(); ++i)
      areNumbers &= absl::SimpleAtod(names[i], &values[i]);
    std::sort(places.begin(), places.end(), [&](int32_t a, int32_t b) {
      return areNumbers && values[a] != values[b] ? values[a] < values[b] : names[a] < names[b];
    });
    std::vector<std::string> result;
    order.resize(names.size());
    for (size_t i = 0; i < places.size(); ++i) {
      order[places[i]] = static_cast<int32_t>(i);
      result.push_back(names[places[i]]);
    }
    return result;
  }

private:
  std::vector<std::string> names;
  absl::flat_hash_map<std::string, int32_t> numbers;
};

/// A document as it goes into a file.
struct PackedDocument {
  std::vector<int32_t> ids;
  std::vector<int32_t> labels; ///< one, or one for each token
  float number = 0;
};

class Packing {
public:
  Packing(const PackRequest &request, Progress &progress) : request(request), progress(progress) {}

  absl::Status run() {
    absl::Status status = begin();
    for (size_t i = 0; status.ok() && i < request.inputs.size(); ++i)
      status = groupSize() > 1           ? packGroups(request.inputs[i])
               : kind == LabelKind::None ? packTexts(request.inputs[i])
                                         : packRecords(request.inputs[i]);
    if (!status.ok())
      return status;
    if (train->documents() == 0)
      return absl::InvalidArgumentError("the inputs have no documents to train on");
    std::vector<int32_t> order;
    const std::vector<std::string> names = labels.sorted(order);
    progress.clear();
    for (auto [writer, name] : {std::pair(&*train, "train"), std::pair(&*held, "validation")}) {
      if (writer->documents() == 0)
        continue;
      if (absl::Status committed = writer->commit(kind, names, order); !committed.ok())
        return committed;
      absl::FPrintF(stderr, "%s/%s.tokens: %d tokens of %d documents\n", request.output, name,
                    writer->tokens(), writer->documents());
    }
    if (!names.empty() && groupSize() == 1)
      absl::FPrintF(stderr, "%d labels: %s\n", names.size(), absl::StrJoin(names, ", "));
    return absl::OkStatus();
  }

private:
  absl::Status begin() {
    kind = !request.label.empty()                                       ? LabelKind::Documents
           : !request.wordLabels.empty() || !request.preference.empty() ? LabelKind::Tokens
           : !request.number.empty()                                    ? LabelKind::Numbers
                                                                        : LabelKind::None;
    if (!request.label.empty() + !request.wordLabels.empty() + !request.number.empty() +
            !request.texts.empty() + !request.preference.empty() >
        1)
      return absl::InvalidArgumentError(
          "--label, --word-labels, --number, --texts and --preference say what is to be "
          "learned, expected one of them");
    absl::StatusOr<TokenizerSource> source = readTokenizer(request.tokenizer);
    if (!source.ok())
      return source.status();
    absl::StatusOr<std::unique_ptr<text::Tokenizer>> made = makeTokenizer(*source);
    if (!made.ok())
      return made.status();
    tokenizer = *std::move(made);
    std::error_code error;
    std::filesystem::create_directories(request.output, error);
    if (error)
      return absl::UnavailableError(absl::StrCat(request.output, ": cannot be made: ", error.message()));
    const auto vocabulary = static_cast<int64_t>(tokenizer->vocabularySize());
    for (auto [writer, name] : {std::pair(&train, "train"), std::pair(&held, "validation")}) {
      absl::StatusOr<train::TokenFileWriter> created = train::TokenFileWriter::create(
          absl::StrCat(request.output, "/", name, ".tokens"), vocabulary, groupSize());
      if (!created.ok())
        return created.status();
      writer->emplace(*std::move(created));
    }
    return absl::OkStatus();
  }

  absl::Status packTexts(const std::string &input) {
    return documents::forEachDocument(input, request.field, [&](absl::string_view text) -> absl::Status {
      text::EncodeOptions encode;
      encode.addSpecialTokens = request.specialTokens;
      encode.parseSpecial = false;
      absl::StatusOr<std::vector<int32_t>> ids = tokenizer->encode(text, encode);
      if (!ids.ok())
        return absl::Status(ids.status().code(), absl::StrCat(input, ": ", ids.status().message()));
      if (tokenizer->eosId() && !request.specialTokens)
        ids->push_back(*tokenizer->eosId());
      return append(input, {{*std::move(ids), {}}});
    });
  }

  /// Texts with what is to be predicted of them, in the special tokens that the model has around texts.
  absl::Status packRecords(const std::string &input) {
    const std::string fields[] = {request.field, kind == LabelKind::Documents ? request.label
                                                 : kind == LabelKind::Tokens  ? request.wordLabels
                                                                              : request.number};
    return documents::forEachRecord(
        input, fields,
        [&](absl::string_view where, absl::Span<const std::vector<std::string>> values) -> absl::Status {
          absl::StatusOr<PackedDocument> document =
              kind == LabelKind::Tokens ? labelWords(values[0], values[1]) : labelText(values[0], values[1]);
          if (!document.ok())
            return absl::Status(document.status().code(),
                                absl::StrCat(where, ": ", document.status().message()));
          return append(input, {*std::move(document)});
        });
  }

  /// Documents of a record: they belong together.
  int64_t groupSize() const {
    return !request.preference.empty() ? 2 : std::max<int64_t>(1, static_cast<int64_t>(request.texts.size()));
  }

  absl::Status packGroups(const std::string &input) {
    const bool isPreference = !request.preference.empty();
    return documents::forEachRecord(
        input, isPreference ? request.preference : request.texts,
        [&](absl::string_view where, absl::Span<const std::vector<std::string>> values) -> absl::Status {
          auto wrong = [&](const absl::Status &status) {
            return absl::Status(status.code(), absl::StrCat(where, ": ", status.message()));
          };
          std::vector<PackedDocument> group;
          for (size_t i = isPreference ? 1 : 0; i < values.size(); ++i) {
            if (values[i].size() != 1 || values[0].size() != 1)
              return wrong(absl::InvalidArgumentError("has a list, expected one text in each field"));
            absl::StatusOr<PackedDocument> document =
                isPreference ? continuePrompt(values[0][0], values[i][0]) : encodeText(values[i][0]);
            if (!document.ok())
              return wrong(document.status());
            if (document->ids.empty())
              return wrong(absl::InvalidArgumentError("has an empty text, expected one with tokens"));
            group.push_back(*std::move(document));
          }
          return append(input, group);
        });
  }

  absl::StatusOr<PackedDocument> encodeText(const std::string &text) {
    text::EncodeOptions encode;
    encode.parseSpecial = false;
    absl::StatusOr<std::vector<int32_t>> ids = tokenizer->encode(text, encode);
    if (!ids.ok())
      return ids.status();
    return PackedDocument{*std::move(ids), {}};
  }

  /// A prompt and what stands behind it, whose tokens, with the one that ends it, have a label.
  absl::StatusOr<PackedDocument> continuePrompt(const std::string &prompt, const std::string &text) {
    text::EncodeOptions encode;
    encode.parseSpecial = false;
    encode.addSpecialTokens = request.specialTokens;
    absl::StatusOr<std::vector<int32_t>> ids = tokenizer->encode(prompt, encode);
    encode.addSpecialTokens = false;
    absl::StatusOr<std::vector<int32_t>> behind = tokenizer->encode(text, encode);
    absl::StatusOr<int32_t> label = labels.numberOf("learned");
    for (const absl::Status &status : {ids.status(), behind.status(), label.status()})
      if (!status.ok())
        return status;
    if (tokenizer->eosId())
      behind->push_back(*tokenizer->eosId());
    PackedDocument document{*std::move(ids), {}};
    document.labels.assign(document.ids.size(), -1);
    document.labels.resize(document.ids.size() + behind->size(), *label);
    document.ids.insert(document.ids.end(), behind->begin(), behind->end());
    return document;
  }

  absl::StatusOr<PackedDocument> labelText(const std::vector<std::string> &texts,
                                           const std::vector<std::string> &given) {
    if (texts.size() != 1 || given.size() != 1)
      return absl::InvalidArgumentError("has a list, expected one text and one label");
    absl::StatusOr<PackedDocument> document = encodeText(texts[0]);
    if (!document.ok())
      return document;
    if (kind == LabelKind::Numbers) {
      if (!absl::SimpleAtof(given[0], &document->number) || !std::isfinite(document->number))
        return absl::InvalidArgumentError(absl::StrCat("has '", given[0], "', expected a number"));
      return document;
    }
    absl::StatusOr<int32_t> number = labels.numberOf(given[0]);
    if (!number.ok())
      return number.status();
    document->labels = {*number};
    return document;
  }

  /// The label of a word is that of its first token; others have none.
  absl::StatusOr<PackedDocument> labelWords(const std::vector<std::string> &words,
                                            const std::vector<std::string> &given) {
    if (words.size() != given.size())
      return absl::InvalidArgumentError(absl::StrCat("has ", words.size(), " words and ", given.size(),
                                                     " labels, expected one for each word"));
    std::string text;
    std::vector<size_t> ends; // of words
    for (const std::string &word : words) {
      absl::StrAppend(&text, text.empty() ? "" : " ",
                      text::isValidUtf8(word) ? word : text::replaceInvalidUtf8(word));
      ends.push_back(text.size());
    }
    text::EncodeOptions encode;
    encode.parseSpecial = false;
    const absl::string_view texts[] = {text};
    absl::StatusOr<std::vector<text::PlacedToken>> tokens = tokenizer->place(texts, encode);
    if (!tokens.ok())
      return tokens.status();
    PackedDocument document;
    size_t labelled = 0; // words that have their label
    for (const text::PlacedToken &token : *tokens) {
      document.ids.push_back(token.id);
      document.labels.push_back(-1);
      if (token.text < 0 || token.bytes.begin == token.bytes.end)
        continue;
      const size_t word = std::upper_bound(ends.begin(), ends.end(), token.bytes.begin) - ends.begin();
      if (word < labelled)
        continue;
      absl::StatusOr<int32_t> number = labels.numberOf(given[word]);
      if (!number.ok())
        return number.status();
      document.labels.back() = *number;
      labelled = word + 1;
    }
    return document;
  }

  /// Appends what is learned together, to one of the files.
  absl::Status append(const std::string &input, const std::vector<PackedDocument> &group) {
    progress.update(absl::StrCat("packing ", input), ++packed, 0);
    owed += request.validation;
    const bool holdsOut = owed >= 1;
    owed -= holdsOut ? 1 : 0;
    train::TokenFileWriter &writer = holdsOut ? *held : *train;
    for (const PackedDocument &document : group)
      if (absl::Status status = kind == LabelKind::Numbers ? writer.append(document.ids, document.number)
                                                           : writer.append(document.ids, document.labels);
          !status.ok())
        return status;
    return absl::OkStatus();
  }

  const PackRequest &request;
  Progress &progress;
  LabelKind kind = LabelKind::None;
  std::unique_ptr<text::Tokenizer> tokenizer;
  std::optional<train::TokenFileWriter> train, held;
  LabelSet labels;
  int64_t packed = 0;
  double owed = 0; ///< documents that are to be held out yet
};

} // namespace

ExitCode packData(const PackRequest &request) {
  Progress progress;
  absl::Status status = Packing(request, progress).run();
  progress.clear();
  return status.ok() ? ExitCode::Success : fail(status);
}

} // namespace llmc::tool
