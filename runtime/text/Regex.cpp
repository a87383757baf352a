//===- Regex.cpp - regular expressions over UTF-8 text --------------------===//

#include "runtime/text/Regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include "runtime/text/OnigurumaSyntax.h"
#include "runtime/text/Unicode.h"

namespace llmc::text {

namespace {

// Bounds of a hostile pattern: backtracking steps, depth and memory of one search.
constexpr uint32_t kMatchLimit = 20'000'000;
constexpr uint32_t kHeapLimitKib = 64 * 1024;
constexpr size_t kMaxPatternBytes = 64 * 1024;
constexpr size_t kJitStackBytes = 1024 * 1024;

std::string pcre2Message(int code) {
  PCRE2_UCHAR buffer[256];
  if (pcre2_get_error_message(code, buffer, sizeof buffer) < 0)
    return absl::StrCat("PCRE2 error ", code);
  return reinterpret_cast<const char *>(buffer);
}

/// The memory of one search; each thread has its own.
struct Scratch {
  pcre2_match_data *match = pcre2_match_data_create(1, nullptr);
  pcre2_match_context *context = pcre2_match_context_create(nullptr);
  pcre2_jit_stack *stack = pcre2_jit_stack_create(32 * 1024, kJitStackBytes, nullptr);

  Scratch() {
    pcre2_set_match_limit(context, kMatchLimit);
    pcre2_set_heap_limit(context, kHeapLimitKib);
    pcre2_jit_stack_assign(context, nullptr, stack);
  }
  Scratch(const Scratch &) = delete;
  Scratch &operator=(const Scratch &) = delete;
  ~Scratch() {
    pcre2_jit_stack_free(stack);
    pcre2_match_context_free(context);
    pcre2_match_data_free(match);
  }
};

Scratch &threadScratch() {
  thread_local Scratch scratch;
  return scratch;
}

} // namespace

struct Regex::Compiled {
  pcre2_code *code = nullptr;
  std::string shown; // the pattern as given, for messages
  bool jit = false;

  Compiled() = default;
  Compiled(const Compiled &) = delete;
  Compiled &operator=(const Compiled &) = delete;
  ~Compiled() { pcre2_code_free(code); }
};

absl::StatusOr<Regex> Regex::create(absl::string_view pattern) {
  if (pattern.size() > kMaxPatternBytes)
    return absl::InvalidArgumentError(absl::StrFormat(
        "regular expression of %d bytes; at most %d are supported", pattern.size(), kMaxPatternBytes));
  absl::StatusOr<std::string> translated = pcre2PatternOf(pattern);
  if (!translated.ok())
    return translated.status();
  return compile(pattern, *translated);
}

absl::StatusOr<Regex> Regex::createLiteral(absl::string_view text) {
  std::string pattern;
  constexpr absl::string_view kMeta = "\\^$.[]|()?*+{}#- \t\n\r";
  for (char c : text) {
    if (kMeta.find(c) != absl::string_view::npos)
      pattern.push_back('\\');
    pattern.push_back(c);
  }
  return compile(text, pattern);
}

absl::StatusOr<Regex> Regex::compile(absl::string_view shown, const std::string &pcre2Pattern) {
  auto compiled = std::make_shared<Compiled>();
  compiled->shown = std::string(shown);
  std::unique_ptr<pcre2_compile_context, void (*)(pcre2_compile_context *)> context(
      pcre2_compile_context_create(nullptr), pcre2_compile_context_free);
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int error = 0;
  PCRE2_SIZE offset = 0;
  compiled->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pcre2Pattern.data()), pcre2Pattern.size(),
                                 PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &error,
                                 &offset, context.get());
  if (!compiled->code)
    return absl::InvalidArgumentError(
        absl::StrFormat("regular expression '%s': %s", shown, pcre2Message(error)));
  compiled->jit = pcre2_jit_compile(compiled->code, PCRE2_JIT_COMPLETE) == 0;
  return Regex(std::move(compiled));
}

absl::StatusOr<std::optional<Regex::Match>> Regex::find(absl::string_view text, size_t from) const {
  Scratch &scratch = threadScratch();
  auto *subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  int result;
  if (compiled->jit) {
    result = pcre2_jit_match(compiled->code, subject, text.size(), from, 0, scratch.match, scratch.context);
    // The interpreter keeps its state on the heap, and so goes deeper.
    if (result == PCRE2_ERROR_JIT_STACKLIMIT)
      result = pcre2_match(compiled->code, subject, text.size(), from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT,
                           scratch.match, scratch.context);
  } else {
    result = pcre2_match(compiled->code, subject, text.size(), from, PCRE2_NO_UTF_CHECK, scratch.match,
                         scratch.context);
  }
  if (result == PCRE2_ERROR_NOMATCH)
    return std::nullopt;
  if (result < 0)
    return absl::ResourceExhaustedError(
        absl::StrFormat("regular expression '%s': %s", compiled->shown, pcre2Message(result)));
  const PCRE2_SIZE *bounds = pcre2_get_ovector_pointer(scratch.match);
  return Match{bounds[0], bounds[1]};
}

absl::Status Regex::forEachMatch(absl::string_view text,
                                 absl::FunctionRef<absl::Status(Match)> onMatch) const {
  for (size_t from = 0; from <= text.size();) {
    absl::StatusOr<std::optional<Match>> match = find(text, from);
    if (!match.ok())
      return match.status();
    if (!*match)
      break;
    if (absl::Status status = onMatch(**match); !status.ok())
      return status;
    auto [start, end] = **match;
    from = end > start ? end : end < text.size() ? end + decodeFront(text.substr(end)).length : end + 1;
  }
  return absl::OkStatus();
}

} // namespace llmc::text
