//===- PercentFormat.cpp - "%s" % value and "{}".format(value) ------------===//

#include "runtime/text/jinja/PercentFormat.h"

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"

#include "runtime/text/Unicode.h"
#include "runtime/text/jinja/Print.h"
#include "runtime/text/jinja/PythonText.h"

namespace llmc::text::jinja {

namespace {

constexpr int kMaxWidth = 1000;

/// How one value is laid out.
struct Layout {
  std::string fill = " ";
  char align = '\0'; // '<', '>', '^', '=' (behind the sign); none: by type
  char sign = '-';
  int width = 0;
  int precision = -1;
  char type = '\0';
};

int takeNumber(absl::string_view &text) {
  int number = 0;
  while (!text.empty() && absl::ascii_isdigit(static_cast<unsigned char>(text.front()))) {
    number = std::min(number * 10 + (text.front() - '0'), kMaxWidth);
    text.remove_prefix(1);
  }
  return number;
}

/// The digits of a number with its sign, or the text of a value; nothing if the type does not fit the value.
std::optional<std::string> convert(const Value &value, const Layout &layout) {
  std::string text;
  switch (layout.type) {
  case 's':
  case 'r':
  case '\0':
    if (layout.type == '\0' && value.isFloat() && layout.precision >= 0)
      return absl::StrFormat("%.*g", layout.precision, value.number());
    text = layout.type == 'r' ? toRepresentation(value) : toText(value);
    if (layout.precision >= 0 && characterCount(text) > static_cast<size_t>(layout.precision)) {
      size_t end = 0;
      for (int i = 0; i < layout.precision; ++i)
        end += decodeFront(absl::string_view(text).substr(end)).length;
      text.resize(end);
    }
    return text;
  case 'd':
  case 'i':
  case 'x': {
    if (!value.isNumber() || value.number() != value.number() || std::abs(value.number()) > 9e18)
      return std::nullopt;
    int64_t number = value.isFloat() ? static_cast<int64_t>(value.number()) : value.integer();
    uint64_t magnitude = number < 0 ? 0 - static_cast<uint64_t>(number) : static_cast<uint64_t>(number);
    text = layout.type == 'x' ? absl::StrCat(absl::Hex(magnitude)) : absl::StrCat(magnitude);
    return absl::StrCat(number < 0 ? "-" : layout.sign == '-' ? "" : std::string(1, layout.sign), text);
  }
  case 'f':
  case 'g':
  case '%': {
    if (!value.isNumber())
      return std::nullopt;
    int precision = layout.precision < 0 ? 6 : layout.precision;
    double number = layout.type == '%' ? value.number() * 100 : value.number();
    text = layout.type == 'g' ? absl::StrFormat("%.*g", precision, number)
                              : absl::StrFormat("%.*f", precision, number);
    if (layout.sign != '-' && text.front() != '-')
      text.insert(0, 1, layout.sign);
    return layout.type == '%' ? text + "%" : text;
  }
  default:
    return std::nullopt;
  }
}

std::string pad(std::string text, const Layout &layout, bool number) {
  auto length = static_cast<int>(characterCount(text));
  if (length >= layout.width)
    return text;
  char align = layout.align ? layout.align : number ? '>' : '<';
  int missing = layout.width - length;
  int left = align == '<' ? 0 : align == '^' ? missing / 2 : missing;
  auto filled = [&](int count) {
    std::string fill;
    for (int i = 0; i < count; ++i)
      fill += layout.fill;
    return fill;
  };
  size_t sign = align == '=' && (text[0] == '-' || text[0] == '+' || text[0] == ' ') ? 1 : 0;
  return absl::StrCat(text.substr(0, sign), filled(left), text.substr(sign), filled(missing - left));
}

/// One conversion behind its %, with flags, width and precision, taken from the front of `format`.
Layout takePercentLayout(absl::string_view &format) {
  Layout layout;
  layout.align = '>';
  bool zero = false;
  while (!format.empty() && absl::string_view("-+ 0#").find(format.front()) != absl::string_view::npos) {
    char flag = format.front();
    if (flag == '-')
      layout.align = '<';
    else if (flag == '+' || flag == ' ')
      layout.sign = flag;
    else
      zero = flag == '0' || zero;
    format.remove_prefix(1);
  }
  layout.width = takeNumber(format);
  if (absl::ConsumePrefix(&format, "."))
    layout.precision = takeNumber(format);
  if (!format.empty()) {
    layout.type = format.front();
    format.remove_prefix(1);
  }
  if (zero && layout.align == '>' && layout.type != 's' && layout.type != 'r') {
    layout.fill = "0";
    layout.align = '=';
  }
  return layout;
}

/// The specification of a field: [[fill]align][sign][0][width][.precision][type].
std::optional<Layout> braceLayout(absl::string_view text) {
  Layout layout;
  auto isAlign = [](absl::string_view at) {
    return !at.empty() && absl::string_view("<>^=").find(at.front()) != absl::string_view::npos;
  };
  if (!text.empty()) {
    size_t first = decodeFront(text).length;
    if (isAlign(text.substr(first))) {
      layout.fill = std::string(text.substr(0, first));
      layout.align = text[first];
      text.remove_prefix(first + 1);
    } else if (isAlign(text)) {
      layout.align = text.front();
      text.remove_prefix(1);
    }
  }
  if (!text.empty() && (text.front() == '+' || text.front() == ' ' || text.front() == '-')) {
    layout.sign = text.front();
    text.remove_prefix(1);
  }
  if (absl::ConsumePrefix(&text, "0") && !layout.align) {
    layout.fill = "0";
    layout.align = '=';
  }
  layout.width = takeNumber(text);
  if (absl::ConsumePrefix(&text, "."))
    layout.precision = takeNumber(text);
  if (!text.empty()) {
    layout.type = text.front();
    text.remove_prefix(1);
  }
  return text.empty() ? std::optional<Layout>(layout) : std::nullopt;
}

} // namespace

Value percentFormat(Evaluator &evaluator, absl::string_view format, const Value &values) {
  std::vector<Value> items =
      values.list() && values.list()->tuple ? values.list()->items : std::vector<Value>{values};
  std::string result;
  size_t next = 0;
  while (!format.empty() && evaluator.charge(64)) {
    size_t percent = format.find('%');
    absl::StrAppend(&result, format.substr(0, percent));
    if (percent == absl::string_view::npos)
      break;
    format.remove_prefix(percent + 1);
    if (absl::ConsumePrefix(&format, "%")) {
      result.push_back('%');
      continue;
    }
    Value value;
    bool named = false;
    if (absl::StartsWith(format, "(")) {
      size_t close = format.find(')');
      const Value *found = close == absl::string_view::npos || !values.dict()
                               ? nullptr
                               : values.dict()->find(format.substr(1, close - 1));
      if (!found)
        return evaluator.fail("a named conversion names no value");
      value = *found;
      named = true;
      format.remove_prefix(close + 1);
    }
    Layout layout = takePercentLayout(format);
    if (!named) {
      if (next == items.size())
        return evaluator.fail("not enough values for the conversions of a format");
      value = items[next++];
    }
    std::optional<std::string> text = layout.type == '\0' ? std::nullopt : convert(value, layout);
    if (!text)
      return evaluator.fail(absl::StrCat("the conversion %", std::string(1, layout.type),
                                         " does not fit a value of type ", value.typeName()));
    result += pad(*std::move(text), layout, true);
    if (result.size() > evaluator.limit().stringBytes)
      return evaluator.fail("a formatted string is too long");
  }
  if (next < items.size() && !values.dict())
    return evaluator.fail("not all values were used by the conversions of a format");
  return evaluator.makeString(std::move(result));
}

Value braceFormat(Evaluator &evaluator, absl::string_view format, const Arguments &arguments) {
  std::string result;
  size_t next = 0;
  bool numbered = false; // some field gives its position
  while (!format.empty() && evaluator.charge(64)) {
    size_t brace = format.find_first_of("{}");
    absl::StrAppend(&result, format.substr(0, brace));
    if (brace == absl::string_view::npos)
      break;
    char kind = format[brace];
    format.remove_prefix(brace + 1);
    if (absl::ConsumePrefix(&format, std::string(1, kind))) {
      result.push_back(kind);
      continue;
    }
    size_t close = kind == '{' ? format.find('}') : absl::string_view::npos;
    if (close == absl::string_view::npos)
      return evaluator.fail("a single brace in a format");
    absl::string_view field = format.substr(0, close);
    format.remove_prefix(close + 1);
    size_t colon = field.find(':');
    absl::string_view name = field.substr(0, colon);
    std::optional<Layout> layout =
        colon == absl::string_view::npos ? Layout() : braceLayout(field.substr(colon + 1));
    const Value *value = nullptr;
    size_t position = next;
    if (name.empty() || absl::SimpleAtoi(name, &position)) {
      next += name.empty();
      numbered = numbered || !name.empty();
      if (numbered && next > 0)
        return evaluator.fail("a format has fields with and without a position");
      value = position < arguments.positional.size() ? &arguments.positional[position] : nullptr;
    } else {
      for (const auto &[argument, given] : arguments.named)
        if (argument == name)
          value = &given;
    }
    if (!value || !layout)
      return evaluator.fail(absl::StrCat("the field '{", field, "}' of a format ",
                                         value ? "is not supported" : "has no value"));
    std::optional<std::string> text = convert(*value, *layout);
    if (!text)
      return evaluator.fail(
          absl::StrCat("the field '{", field, "}' does not fit a value of type ", value->typeName()));
    result += pad(*std::move(text), *layout, value->isNumber());
    if (result.size() > evaluator.limit().stringBytes)
      return evaluator.fail("a formatted string is too long");
  }
  return evaluator.makeString(std::move(result));
}

} // namespace llmc::text::jinja
