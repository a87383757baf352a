//===- Globals.cpp - the functions that every template has ----------------===//

#include "absl/strings/str_cat.h"

#include "runtime/text/jinja/BoundArguments.h"
#include "runtime/text/jinja/Evaluator.h"

#include <ctime>

namespace llmc::text::jinja {

namespace {

// As in the sandbox of Jinja.
constexpr int64_t kMaxRange = 100'000;
constexpr size_t kMaxTimeFormat = 256;

Value range(Evaluator &evaluator, const Arguments &given) {
  BoundArguments arguments(evaluator, "range", given, {"start", "stop", "step"}, 1);
  int64_t start = arguments.given(1) ? arguments.integerOr(0, 0) : 0;
  int64_t stop = arguments.given(1) ? arguments.integerOr(1, 0) : arguments.integerOr(0, 0);
  int64_t step = arguments.integerOr(2, 1);
  if (step == 0)
    return evaluator.fail("range(): the step is 0");
  std::vector<Value> items;
  for (int64_t i = start; (step > 0 ? i < stop : i > stop) && !evaluator.failed();) {
    if (items.size() == kMaxRange)
      return evaluator.fail(absl::StrCat("range() of more than ", kMaxRange, " numbers"));
    items.emplace_back(i);
    if (__builtin_add_overflow(i, step, &i))
      break;
  }
  return evaluator.makeList(std::move(items));
}

/// The pairs of a dict, or of a list of pairs, and the named arguments.
Dict pairsOf(Evaluator &evaluator, const Arguments &given) {
  Dict dict;
  if (given.positional.size() > 1)
    evaluator.fail("a dict is made of at most one value and named arguments");
  for (const Value &source : given.positional) {
    if (const Dict *other = source.dict()) {
      dict = *other;
      continue;
    }
    for (const Value &pair : evaluator.iterate(source)) {
      std::vector<Value> parts = evaluator.iterate(pair);
      if (parts.size() == 2 && Dict::isKey(parts[0]))
        dict.set(parts[0], parts[1]);
      else
        evaluator.fail("a dict is made of pairs of a key and a value");
    }
  }
  for (const auto &[name, value] : given.named)
    dict.set(Value(name), value);
  return dict;
}

Value makeNamespace(Evaluator &evaluator, const Arguments &given) {
  Dict attributes = pairsOf(evaluator, given);
  std::shared_ptr<Namespace> result = evaluator.makeNamespace();
  for (const auto &[name, value] : attributes.entries())
    result->set(toText(name), value);
  return Value(std::move(result));
}

/// An object that goes round its values: next(), current, reset().
Value makeCycler(Evaluator &evaluator, const Arguments &given) {
  if (given.positional.empty() || !given.named.empty())
    return evaluator.fail("cycler() needs values");
  // Lives as long as the evaluator.
  std::shared_ptr<Namespace> object = evaluator.makeNamespace();
  Namespace *cycler = object.get();
  auto position = std::make_shared<size_t>(0);
  auto show = [=, values = given.positional] { cycler->set("current", values[*position]); };
  show();
  cycler->set("next", Value(Callable{"next", [=](Evaluator &, const Arguments &) {
                                       Value value = *cycler->find("current");
                                       *position = (*position + 1) % given.positional.size();
                                       show();
                                       return value;
                                     }}));
  cycler->set("reset", Value(Callable{"reset", [=](Evaluator &, const Arguments &) {
                                        *position = 0;
                                        show();
                                        return Value(Value::None());
                                      }}));
  return Value(std::move(object));
}

/// A function that is empty at its first call and the separator from then on.
Value makeJoiner(Evaluator &evaluator, const Arguments &given) {
  BoundArguments arguments(evaluator, "joiner", given, {"sep"});
  auto used = std::make_shared<bool>(false);
  return Value(Callable{"joiner", [used, separator = toText(arguments.valueOr(0, Value(", ")))](
                                      Evaluator &, const Arguments &) {
                          return Value(std::exchange(*used, true) ? separator : std::string());
                        }});
}

Value raiseException(Evaluator &evaluator, const Arguments &given) {
  BoundArguments arguments(evaluator, "raise_exception", given, {"message"}, 1);
  return evaluator.fail(toText(arguments.valueOr(0, Value(""))));
}

Value formatTime(Evaluator &evaluator, const Arguments &given) {
  BoundArguments arguments(evaluator, "strftime_now", given, {"format"}, 1);
  std::string format(arguments.textOr(0, ""));
  if (evaluator.failed() || format.size() > kMaxTimeFormat || format.find('\0') != std::string::npos)
    return evaluator.fail("strftime_now(): the format is too long");
  if (format.empty())
    return Value("");
  std::tm parts = absl::ToTM(evaluator.time(), absl::LocalTimeZone());
  char buffer[kMaxTimeFormat * 16];
  return evaluator.makeString(
      std::string(buffer, std::strftime(buffer, sizeof buffer, format.c_str(), &parts)));
}

} // namespace

void addGlobalFunctions(absl::flat_hash_map<std::string, Value> &variables) {
  auto add = [&](const char *name, Value (*function)(Evaluator &, const Arguments &)) {
    variables[name] = Value(Callable{name, function});
  };
  add("range", range);
  add("dict", [](Evaluator &evaluator, const Arguments &given) {
    return evaluator.makeDict(pairsOf(evaluator, given));
  });
  add("namespace", makeNamespace);
  add("cycler", makeCycler);
  add("joiner", makeJoiner);
  add("raise_exception", raiseException);
  add("strftime_now", formatTime);
}

} // namespace llmc::text::jinja
