//===- template_test.cpp - templates against Jinja itself ------------------===//

#include "runtime/text/jinja/Template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/unit/text/TestFiles.h"

namespace llmc::text::jinja {
namespace {

using nlohmann::ordered_json;
using testing::HasSubstr;

// What the references were made with.
const absl::Time kNow = absl::FromCivil(absl::CivilSecond(2024, 7, 26, 9, 5, 3), absl::LocalTimeZone());

absl::StatusOr<std::string> render(const std::string &source,
                                   const ordered_json &variables = ordered_json::object()) {
  absl::StatusOr<Template> parsed = Template::parse(source);
  if (!parsed.ok())
    return parsed.status();
  return parsed->render(variables, kNow);
}

std::string errorOf(const std::string &source, const ordered_json &variables = ordered_json::object()) {
  return std::string(render(source, variables).status().message());
}

TEST(Template, RendersLikeJinja) {
  ordered_json variables = readTestJson("template_variables.json");
  size_t count = 0;
  for (const auto &row : readTestJson("template_cases.json")) {
    absl::StatusOr<std::string> text = render(row["template"].get<std::string>(), variables);
    if (row.contains("error"))
      EXPECT_FALSE(text.ok()) << row.dump() << "\ngave " << *text;
    else if (!text.ok())
      ADD_FAILURE() << row.dump() << "\ngave " << text.status();
    else
      EXPECT_EQ(*text, row["output"].get<std::string>()) << row.dump();
    ++count;
  }
  EXPECT_GT(count, 100u);
}

TEST(Template, RendersChatTemplatesLikeTransformers) {
  ordered_json file = readTestJson("chat_template_cases.json");
  size_t count = 0;
  for (const auto &row : file["cases"]) {
    ordered_json variables = row["variables"];
    variables["messages"] = file["messages"][row["messages"].get<std::string>()];
    variables["tools"] =
        row["tools"].is_null() ? ordered_json() : file["tools"][row["tools"].get<std::string>()];
    absl::StatusOr<std::string> text = render(row["template"].get<std::string>(), variables);
    if (row.contains("expected")) {
      ASSERT_TRUE(text.ok()) << row["name"] << ": " << text.status();
      EXPECT_EQ(*text, row["expected"].get<std::string>()) << row["name"];
    } else {
      EXPECT_FALSE(text.ok()) << row["name"];
      if (row["error"]["kind"] == "raised")
        EXPECT_THAT(std::string(text.status().message()),
                    HasSubstr(row["error"]["message"].get<std::string>()));
    }
    ++count;
  }
  EXPECT_GT(count, 100u);
}

TEST(Template, ErrorsNameTheLine) {
  EXPECT_EQ(errorOf("a\n{% if x %}\n{{ y.z }}"),
            "line 3: the template ends, but the block of line 3 needs elif or else or endif");
  EXPECT_EQ(errorOf("a\n\n{{ y.z }}"), "line 3: 'y' is undefined");
  EXPECT_EQ(errorOf("{{ {'a': 1}.b.c }}"), "line 1: 'dict object' has no attribute 'b'");
  EXPECT_EQ(errorOf("\n{{ raise_exception('no system role') }}"), "line 2: no system role");
  EXPECT_EQ(errorOf("{% macro f() %}\n{{ 1 + 'a' }}{% endmacro %}\n\n{{ f() }}"),
            "line 2: can only concatenate a string to a string, not 'int' and 'str' (use ~)");
  EXPECT_THAT(errorOf("{% include 'x' %}"),
              HasSubstr("the statement 'include' is not supported; supported are"));
  EXPECT_EQ(errorOf("{{ 'a' | shout }}"), "line 1: there is no filter 'shout'");
  EXPECT_EQ(errorOf("{{ a b }}"), "line 1: expected '}}', found 'b'");
  EXPECT_EQ(errorOf("{{ 'a"), "line 1: a string is not closed");
  EXPECT_EQ(errorOf("{{ [].append(1) }}"),
            "line 1: the method 'append' would change a list, which a template must not");
}

TEST(Template, LimitsHostileTemplates) {
  // Each of these would otherwise fill the memory, the stack or the day.
  EXPECT_THAT(errorOf("{{ 'a' * 1000000000 }}"), HasSubstr("a repetition is longer than"));
  EXPECT_THAT(errorOf("{% set ns = namespace(s='aaaaaaaa') %}{% for i in range(40) %}"
                      "{% set ns.s = ns.s ~ ns.s %}{% endfor %}"),
              HasSubstr("a string is longer than"));
  EXPECT_THAT(errorOf("{% set ns = namespace(l=[1, 2, 3]) %}{% for i in range(40) %}"
                      "{% set ns.l = ns.l + ns.l %}{% endfor %}"),
              HasSubstr("a list is longer than"));
  EXPECT_THAT(
      errorOf("{% set ns = namespace(l=[]) %}{% for i in range(1000) %}{% set ns.l = [ns.l] %}{% endfor %}"),
      HasSubstr("nested too deeply"));
  EXPECT_THAT(errorOf("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"), HasSubstr("recurses too deeply"));
  EXPECT_THAT(errorOf("{% set r = range(100000) %}{% for i in r %}{% for j in r %}{% endfor %}{% endfor %}"),
              HasSubstr("too much work"));
  EXPECT_THAT(errorOf("{{ range(1000000000) }}"), HasSubstr("range() of more than"));
  EXPECT_THAT(errorOf("{{ '%1000000000d' % 1 }}").size(), 0u);
  EXPECT_THAT(errorOf("{{ " + std::string(10000, '(') + "1" + std::string(10000, ')') + " }}"),
              HasSubstr("nested too deeply"));
  EXPECT_THAT(errorOf("{{ " + std::string(100000, '-') + "1 }}"), HasSubstr("nested too deeply"));
  std::string sum = "{{ 1", blocks;
  for (int i = 0; i < 100000; ++i) {
    sum += " + 1";
    blocks += "{% if true %}";
  }
  EXPECT_THAT(errorOf(sum + " }}"), HasSubstr("nested too deeply"));
  EXPECT_THAT(errorOf(blocks), HasSubstr("nested too deeply"));
}

TEST(Template, ObjectsThatHoldThemselvesAreReleased) {
  // The leak checker of the sanitizer build would tell.
  EXPECT_EQ(*render("{% set a = namespace() %}{% set a.b = namespace(c=[a]) %}{{ a.b.c | length }}"), "1");
  EXPECT_EQ(
      *render(
          "{% set n = namespace() %}{% macro f() %}{{ n.x }}{% endmacro %}{% set n.f = f %}"
          "{% for i in [1] %}{% set n.loop = loop %}{% if loop.changed(n, loop) %}y{% endif %}{% endfor %}"),
      "y");
}

TEST(Template, RefusesVariablesThatPythonWouldNotHave) {
  ordered_json deep;
  for (int i = 0; i < 100; ++i)
    deep = ordered_json::array({deep});
  EXPECT_THAT(errorOf("", {{"x", deep}}), HasSubstr("at most 64 levels deep"));
  EXPECT_FALSE(render("", ordered_json::array()).ok());
  EXPECT_EQ(*render("{{ x }}", {{"x", "a\xFF"}}), "a\uFFFD");
  EXPECT_FALSE(Template::parse("\xFF").ok());
}

} // namespace
} // namespace llmc::text::jinja
