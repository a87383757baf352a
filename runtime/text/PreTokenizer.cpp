//===- PreTokenizer.cpp - cutting text into words -------------------------===//

#include "runtime/text/PreTokenizer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "runtime/text/ByteLevelAlphabet.h"
#include "runtime/text/Unicode.h"

namespace llmc::text {

namespace {

using Behavior = PreTokenizerStep::Behavior;

// The pattern of GPT-2 (Radford et al., 2019).
constexpr absl::string_view kByteLevelPattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

/// Cuts at every character for which `predicate` holds; each such character is a match of its own.
template <typename Span, typename Predicate>
void findCharacters(absl::string_view text, Predicate predicate, std::vector<Span> &spans) {
  size_t unmatched = 0;
  for (size_t at = 0; at < text.size();) {
    DecodedCharacter front = decodeFront(text.substr(at));
    if (predicate(front.character)) {
      if (unmatched < at)
        spans.push_back({unmatched, at, false});
      spans.push_back({at, at + front.length, true});
      unmatched = at + front.length;
    }
    at += front.length;
  }
  if (unmatched < text.size())
    spans.push_back({unmatched, text.size(), false});
}

/// Runs of word characters and runs of other visible characters, as matches; white space is not.
template <typename Span> void findWordsAndSigns(absl::string_view text, std::vector<Span> &spans) {
  enum class Class { None, Space, Word, Sign };
  Class current = Class::None;
  for (size_t at = 0; at < text.size();) {
    DecodedCharacter front = decodeFront(text.substr(at));
    Class next = isWordCharacter(front.character) ? Class::Word
                 : isWhiteSpace(front.character)  ? Class::Space
                                                  : Class::Sign;
    if (next != current)
      spans.push_back({at, at, next != Class::Space});
    current = next;
    at += front.length;
    spans.back().end = at;
  }
}

/// Writes the piece with the spaces or marks that the step puts into it; false if the step leaves it as it
/// is.
bool changePiece(const PreTokenizerStep &step, absl::string_view piece, bool atTextStart, Rewriting &out) {
  if (step.has_byte_level() && step.byte_level().add_prefix_space() && piece.front() != ' ') {
    out.text = " ";
    out.cameFrom(0, 0);
    out.copy(piece, 0, piece.size());
    return true;
  }
  if (!step.has_metaspace())
    return false;
  const PreTokenizerStep::Metaspace &metaspace = step.metaspace();
  const std::string &mark = metaspace.replacement();
  bool prepend = metaspace.prepend_scheme() == PreTokenizerStep::Metaspace::ALWAYS ||
                 (metaspace.prepend_scheme() == PreTokenizerStep::Metaspace::FIRST && atTextStart);
  if (prepend && piece.front() != ' ' && !absl::StartsWith(piece, mark))
    out.text = mark;
  out.cameFrom(0, 0);
  for (size_t at = 0; at < piece.size();) {
    const size_t end = std::min(piece.find(' ', at), piece.size());
    out.copy(piece, at, end);
    at = end + 1;
    if (end == piece.size())
      break;
    out.text += mark;
    out.cameFrom(end, end + 1);
  }
  return true;
}

} // namespace

ByteRange Pieces::originOf(absl::string_view part) const {
  auto rangeIn = [&](const char *start) {
    const size_t begin = part.data() - start;
    return ByteRange{begin, begin + part.size()};
  };
  auto next = origins.upper_bound(part.data());
  if (next != origins.begin()) {
    const auto &[start, made] = *std::prev(next);
    if (part.data() + part.size() <= start + made.size())
      return text::originOf(made, rangeIn(start));
  }
  return rangeIn(text.data());
}

absl::string_view Pieces::keep(Rewriting &&made, absl::string_view source) {
  absl::string_view kept = owned.emplace_back(std::move(made.text));
  if (tracking == Tracking::On) {
    const size_t start = originOf(source).begin;
    for (ByteRange &range : made.origins)
      range = range.begin == range.end ? ByteRange{start, start}
                                       : originOf(source.substr(range.begin, range.end - range.begin));
    origins[kept.data()] = std::move(made.origins);
  }
  return kept;
}

void Pieces::clear() {
  views.clear();
  owned.clear();
  origins.clear();
}

absl::StatusOr<PreTokenizer>
PreTokenizer::create(const google::protobuf::RepeatedPtrField<PreTokenizerStep> &protoSteps) {
  PreTokenizer preTokenizer;
  for (const PreTokenizerStep &proto : protoSteps) {
    absl::StatusOr<Step> step = createStep(proto);
    if (!step.ok())
      return absl::Status(step.status().code(), absl::StrCat("pre-tokenizer: ", step.status().message()));
    preTokenizer.steps.push_back(*std::move(step));
  }
  preTokenizer.bytes = !preTokenizer.steps.empty() && preTokenizer.steps.back().step.has_byte_level();
  return preTokenizer;
}

absl::StatusOr<PreTokenizer::Step> PreTokenizer::createStep(const PreTokenizerStep &proto) {
  Step step{proto, std::nullopt};
  absl::StatusOr<Regex> pattern = absl::NotFoundError("");
  switch (proto.kind_case()) {
  case PreTokenizerStep::KIND_NOT_SET:
    return absl::InvalidArgumentError("a step of unknown kind");
  case PreTokenizerStep::kByteLevel:
    if (!proto.byte_level().use_regex())
      return step;
    pattern = Regex::create(kByteLevelPattern);
    break;
  case PreTokenizerStep::kSplit: {
    const Pattern &given = proto.split().pattern();
    if (given.literal().empty() && given.regex().empty())
      return absl::InvalidArgumentError("Split has an empty pattern");
    pattern = given.has_regex() ? Regex::create(given.regex()) : Regex::createLiteral(given.literal());
    break;
  }
  case PreTokenizerStep::kMetaspace:
    if (proto.metaspace().replacement().empty())
      return absl::InvalidArgumentError("Metaspace has an empty replacement");
    pattern = Regex::createLiteral(proto.metaspace().replacement());
    break;
  default:
    break;
  }
  for (Behavior behavior : {proto.split().behavior(), proto.punctuation().behavior()})
    if (!PreTokenizerStep::Behavior_IsValid(behavior) ||
        ((proto.has_split() || proto.has_punctuation()) && proto.split().behavior() == 0 &&
         proto.punctuation().behavior() == 0))
      return absl::InvalidArgumentError("a step of unknown behavior");
  if (pattern.ok())
    step.pattern = *std::move(pattern);
  else if (!absl::IsNotFound(pattern.status()))
    return pattern.status();
  return step;
}

absl::Status PreTokenizer::split(absl::string_view text, bool atTextStart, Pieces &pieces) const {
  pieces.clear();
  pieces.text = text;
  if (text.empty())
    return absl::OkStatus();
  pieces.views.push_back(text);
  std::vector<Span> spans;
  std::vector<absl::string_view> next;
  for (size_t i = 0; i < steps.size(); ++i) {
    next.clear();
    for (size_t piece = 0; piece < pieces.views.size(); ++piece)
      if (absl::Status status = applyStep(steps[i], i + 1 == steps.size(), pieces.views[piece],
                                          atTextStart && piece == 0, spans, next, pieces);
          !status.ok())
        return absl::Status(status.code(), absl::StrCat("pre-tokenizer: ", status.message()));
    pieces.views.swap(next);
  }
  return absl::OkStatus();
}

absl::Status PreTokenizer::applyStep(const Step &step, bool last, absl::string_view piece, bool atTextStart,
                                     std::vector<Span> &spans, std::vector<absl::string_view> &next,
                                     Pieces &pieces) const {
  spans.clear();
  if (Rewriting changed(pieces.tracking); changePiece(step.step, piece, atTextStart, changed))
    piece = pieces.keep(std::move(changed), piece);
  Behavior behavior = PreTokenizerStep::ISOLATED;
  if (absl::Status status = cut(step, piece, spans, behavior); !status.ok())
    return status;
  applyBehavior(behavior, spans);
  // ByteLevel before another step works on the visible characters.
  bool toVisible = step.step.has_byte_level() && !last;
  for (const Span &span : spans) {
    if (span.start == span.end || (span.match && behavior == PreTokenizerStep::REMOVED))
      continue;
    absl::string_view part = piece.substr(span.start, span.end - span.start);
    if (toVisible) {
      Rewriting visible(pieces.tracking);
      for (size_t at = 0; at < part.size(); ++at) {
        appendByteLevel(visible.text, part.substr(at, 1));
        visible.cameFrom(at, at + 1);
      }
      part = pieces.keep(std::move(visible), part);
    }
    next.push_back(part);
  }
  return absl::OkStatus();
}

/// Cuts a piece into spans, and says what becomes of those that match.
absl::Status PreTokenizer::cut(const Step &step, absl::string_view piece, std::vector<Span> &spans,
                               Behavior &behavior) {
  auto invert = [&] {
    for (Span &span : spans)
      span.match = !span.match;
  };
  switch (step.step.kind_case()) {
  case PreTokenizerStep::kByteLevel:
    if (step.pattern)
      return findSpans(*step.pattern, piece, spans);
    spans.push_back({0, piece.size(), true});
    break;
  case PreTokenizerStep::kSplit:
    if (absl::Status status = findSpans(*step.pattern, piece, spans); !status.ok())
      return status;
    if (step.step.split().invert())
      invert();
    behavior = step.step.split().behavior();
    break;
  case PreTokenizerStep::kDigits:
    findCharacters(piece, isNumeric, spans);
    if (!step.step.digits().individual_digits())
      behavior = PreTokenizerStep::CONTIGUOUS;
    break;
  case PreTokenizerStep::kWhitespace:
    findWordsAndSigns(piece, spans);
    invert();
    behavior = PreTokenizerStep::REMOVED;
    break;
  case PreTokenizerStep::kWhitespaceSplit:
    findCharacters(piece, isWhiteSpace, spans);
    behavior = PreTokenizerStep::REMOVED;
    break;
  case PreTokenizerStep::kPunctuation:
    findCharacters(piece, isPunctuation, spans);
    behavior = step.step.punctuation().behavior();
    break;
  case PreTokenizerStep::kBert:
    // White space vanishes, punctuation stands alone.
    findCharacters(piece, [](char32_t c) { return isWhiteSpace(c) || isPunctuation(c); }, spans);
    for (Span &span : spans)
      span.match = span.match && isWhiteSpace(decodeFront(piece.substr(span.start)).character);
    behavior = PreTokenizerStep::REMOVED;
    break;
  case PreTokenizerStep::kMetaspace:
    behavior = PreTokenizerStep::MERGED_WITH_NEXT;
    if (step.step.metaspace().split())
      return findSpans(*step.pattern, piece, spans);
    spans.push_back({0, piece.size(), true});
    break;
  case PreTokenizerStep::KIND_NOT_SET:
    return absl::InternalError("a step of unknown kind");
  }
  return absl::OkStatus();
}

absl::Status PreTokenizer::findSpans(const Regex &pattern, absl::string_view text, std::vector<Span> &spans) {
  size_t unmatched = 0;
  absl::Status status = pattern.forEachMatch(text, [&](Regex::Match match) {
    if (unmatched < match.start)
      spans.push_back({unmatched, match.start, false});
    spans.push_back({match.start, match.end, true});
    unmatched = match.end;
    return absl::OkStatus();
  });
  if (!status.ok())
    return status;
  if (unmatched < text.size())
    spans.push_back({unmatched, text.size(), false});
  return absl::OkStatus();
}

void PreTokenizer::applyBehavior(Behavior behavior, std::vector<Span> &spans) {
  if (behavior == PreTokenizerStep::ISOLATED || behavior == PreTokenizerStep::REMOVED)
    return;
  // The other behaviors join a span to its neighbour. MergedWithNext is MergedWithPrevious seen from the end.
  bool backwards = behavior == PreTokenizerStep::MERGED_WITH_NEXT;
  if (backwards)
    std::reverse(spans.begin(), spans.end());
  std::vector<Span> joined;
  bool previousMatch = false;
  for (const Span &span : spans) {
    bool join =
        behavior == PreTokenizerStep::CONTIGUOUS ? span.match == previousMatch : span.match && !previousMatch;
    if (join && !joined.empty()) {
      joined.back().start = std::min(joined.back().start, span.start);
      joined.back().end = std::max(joined.back().end, span.end);
    } else {
      joined.push_back(span);
    }
    previousMatch = span.match;
  }
  if (backwards)
    std::reverse(joined.begin(), joined.end());
  spans.swap(joined);
}

} // namespace llmc::text
