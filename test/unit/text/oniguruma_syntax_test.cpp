//===- oniguruma_syntax_test.cpp - patterns mean what they meant -----------===//
//
// The expected matches are those of Oniguruma, as the reference library uses it.
//
//===----------------------------------------------------------------------===//

#include "runtime/text/OnigurumaSyntax.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/text/Regex.h"

namespace llmc::text {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> matches(absl::string_view pattern, absl::string_view text) {
  absl::StatusOr<Regex> regex = Regex::create(pattern);
  if (!regex.ok())
    return {std::string(regex.status().message())};
  std::vector<std::string> found;
  for (size_t from = 0; from <= text.size();) {
    absl::StatusOr<std::optional<Regex::Match>> match = regex->find(text, from);
    if (!match.ok() || !*match)
      break;
    found.emplace_back(text.substr((*match)->start, (*match)->end - (*match)->start));
    from = std::max((*match)->end, from + 1);
  }
  return found;
}

TEST(OnigurumaSyntax, WhiteSpaceIsUnicodes) {
  // U+180E is white space for PCRE2 alone.
  EXPECT_THAT(matches(R"(\s+)", "a\u180Eb\u3000\u0085c"), ElementsAre("\u3000\u0085"));
  EXPECT_THAT(matches(R"([\S]+)", "a\u180E b"), ElementsAre("a\u180E", "b"));
  EXPECT_THAT(matches(R"([^\s]+)", "a\u180E b"), ElementsAre("a\u180E", "b"));
}

TEST(OnigurumaSyntax, WordCharactersAreWide) {
  EXPECT_THAT(matches(R"(\w+)", "a\u0301\u24B6_\u00B2-\u2460"), ElementsAre("a\u0301\u24B6_\u00B2"));
  EXPECT_THAT(matches(R"(\bb)", "b\u0301b ab -b"), ElementsAre("b", "b"));
  EXPECT_THAT(matches(R"(\d)", "1\u0661\u00BD"), ElementsAre("1", "\u0661"));
}

TEST(OnigurumaSyntax, LinesAndDots) {
  EXPECT_THAT(matches("^b", "a\nb"), ElementsAre("b"));
  EXPECT_THAT(matches("a$", "a\nb"), ElementsAre("a"));
  EXPECT_THAT(matches("(?m:a.b)", "a\nb"), ElementsAre("a\nb"));
  EXPECT_THAT(matches("a.b", "a\nb"), ElementsAre());
}

TEST(OnigurumaSyntax, PlusRepeatsAnInterval) {
  EXPECT_THAT(matches(R"(\p{N}{1,3}+)", "1234567"), ElementsAre("1234567"));
  EXPECT_THAT(matches(R"(\p{N}{1,3})", "1234567"), ElementsAre("123", "456", "7"));
  EXPECT_THAT(matches(R"((ab){2}+c)", "ababababc"), ElementsAre("ababababc"));
  EXPECT_THAT(matches(R"(a++a)", "aaa"), ElementsAre());
  EXPECT_THAT(matches("a{,2}b", "aaab"), ElementsAre("aab"));
  EXPECT_THAT(matches("a{x", "a{x"), ElementsAre("a{x"));
}

TEST(OnigurumaSyntax, Properties) {
  EXPECT_THAT(matches(R"(\p{Han}+)", "a\u4E1C\u3007\u30FC"), ElementsAre("\u4E1C\u3007"));
  EXPECT_THAT(matches(R"(\p{^L}+)", "a1b"), ElementsAre("1"));
  EXPECT_THAT(matches(R"([\p{Lu}\p{Lt}]+)", "aB\u01C5c"), ElementsAre("B\u01C5"));
  EXPECT_THAT(matches(R"(\h+)", "xBEEFx"), ElementsAre("BEEF"));
  EXPECT_THAT(matches(R"([\u4e00-\u9fa5]+)", "a\u4E1Cb"), ElementsAre("\u4E1C"));
  EXPECT_THAT(matches(R"((?i:'s))", "'S '\u017F"), ElementsAre("'S", "'\u017F"));
}

TEST(OnigurumaSyntax, RefusesWhatHasNoEqual) {
  auto error = [](absl::string_view pattern) {
    return std::string(Regex::create(pattern).status().message());
  };
  EXPECT_THAT(error("[a&&b]"), HasSubstr("an intersection of classes at byte 2 is not supported"));
  EXPECT_THAT(error("[a[b]]"), HasSubstr("a class inside a class"));
  EXPECT_THAT(error(R"([\W])"), HasSubstr("a negated class escape inside a class"));
  EXPECT_THAT(error("(?~a)"), HasSubstr("this kind of group"));
  EXPECT_THAT(error(R"(\K)"), HasSubstr("the escape \\K"));
  EXPECT_THAT(error("a{2}?"), HasSubstr("fixed interval"));
  EXPECT_THAT(error("(a"), HasSubstr("missing closing parenthesis"));
  EXPECT_THAT(error("a)"), HasSubstr("unmatched ')'"));
  EXPECT_THAT(error("[a"), HasSubstr("unclosed '['"));
  EXPECT_THAT(error("\\"), HasSubstr("a trailing backslash"));
  EXPECT_THAT(error(R"(\p{Klingon})"), HasSubstr("Klingon"));
}

} // namespace
} // namespace llmc::text
