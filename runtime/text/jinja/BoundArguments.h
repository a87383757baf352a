//===- BoundArguments.h - arguments by parameter --------------------------===//

#ifndef LLMC_TEXT_JINJA_BOUND_ARGUMENTS_H
#define LLMC_TEXT_JINJA_BOUND_ARGUMENTS_H

#include <initializer_list>
#include <vector>

#include "absl/strings/str_cat.h"

#include "runtime/text/jinja/Evaluator.h"
#include "runtime/text/jinja/Print.h"

namespace llmc::text::jinja {

/// The arguments of a built-in function, in the order of its parameters. Fails the evaluator if one does not
/// fit; what is not given is null.
class BoundArguments {
public:
  BoundArguments(Evaluator &evaluator, absl::string_view function, const Arguments &arguments,
                 std::initializer_list<absl::string_view> names, size_t required = 0)
      : evaluator(evaluator), function(function), names(names), values(names.size(), nullptr) {
    if (arguments.positional.size() > values.size())
      evaluator.fail(absl::StrCat(function, "() takes at most ", values.size(), " arguments, ",
                                  arguments.positional.size(), " are given"));
    for (size_t i = 0; i < std::min(values.size(), arguments.positional.size()); ++i)
      values[i] = &arguments.positional[i];
    for (const auto &[name, value] : arguments.named) {
      size_t i = 0;
      while (i < this->names.size() && this->names[i] != name)
        ++i;
      if (i == values.size() || values[i])
        evaluator.fail(absl::StrCat(function, "() got an unexpected argument '", name, "'"));
      else
        values[i] = &value;
    }
    for (size_t i = 0; i < required; ++i)
      if (!values[i])
        evaluator.fail(absl::StrCat(function, "() misses its argument '", this->names[i], "'"));
  }

  const Value *operator[](size_t i) const { return values[i]; }
  Value valueOr(size_t i, Value fallback) const { return values[i] ? *values[i] : fallback; }
  bool truthOr(size_t i, bool fallback) const { return values[i] ? values[i]->truthy() : fallback; }
  /// None counts as not given.
  bool given(size_t i) const { return values[i] && !values[i]->isNone(); }

  int64_t integerOr(size_t i, int64_t fallback) const {
    if (!given(i))
      return fallback;
    if (values[i]->isIntegral())
      return values[i]->integer();
    wrongType(i, "an integer");
    return fallback;
  }

  /// Views the argument.
  absl::string_view textOr(size_t i, absl::string_view fallback) const {
    if (!given(i))
      return fallback;
    if (const std::string *text = values[i]->string())
      return *text;
    wrongType(i, "a string");
    return fallback;
  }

private:
  void wrongType(size_t i, absl::string_view expected) const {
    evaluator.fail(
        absl::StrCat(function, "(): '", names[i], "' is ", values[i]->typeName(), ", expected ", expected));
  }

  Evaluator &evaluator;
  absl::string_view function;
  std::vector<absl::string_view> names;
  std::vector<const Value *> values;
};

} // namespace llmc::text::jinja

#endif
