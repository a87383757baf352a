//===- Access.cpp - attributes, items, slices, methods of lists and dicts -===//

#include <algorithm>

#include "absl/strings/str_cat.h"

#include "runtime/text/Unicode.h"
#include "runtime/text/jinja/BoundArguments.h"
#include "runtime/text/jinja/Evaluator.h"

namespace llmc::text::jinja {

namespace {

std::string objectName(const Value &value) {
  return value.isNone() ? "None" : absl::StrCat(value.typeName(), " object");
}

Value missing(const Value &object, absl::string_view what) {
  return Value::undefined(absl::StrCat("'", objectName(object), "' has no ", what));
}

Value missingAttribute(const Value &object, absl::string_view name) {
  return missing(object, absl::StrCat("attribute '", name, "'"));
}

/// Methods by which Python changes a list or dict; templates are not trusted with them.
bool isMutator(const Value &self, absl::string_view name) {
  static constexpr absl::string_view kListMutators[] = {"append", "clear",  "extend",  "insert",
                                                        "pop",    "remove", "reverse", "sort"};
  static constexpr absl::string_view kDictMutators[] = {"clear", "pop", "popitem", "setdefault", "update"};
  auto among = [&](const auto &names) {
    return std::find(std::begin(names), std::end(names), name) != std::end(names);
  };
  return (self.list() && !self.list()->tuple && among(kListMutators)) ||
         (self.dict() && among(kDictMutators));
}

template <typename Function> Value method(absl::string_view name, Function function) {
  return Value(Callable{std::string(name), std::move(function)});
}

Value findDictMethod(const Value &self, absl::string_view name) {
  if (name == "get")
    return method(name, [self](Evaluator &evaluator, const Arguments &given) {
      BoundArguments arguments(evaluator, "get", given, {"key", "default"}, 1);
      const Value *found = evaluator.failed() ? nullptr : self.dict()->find(*arguments[0]);
      return found ? *found : arguments.valueOr(1, Value(Value::None()));
    });
  if (name == "copy")
    return method(name, [self](Evaluator &, const Arguments &) { return self; });
  if (name != "items" && name != "keys" && name != "values")
    return Value();
  return method(name, [self, name = std::string(name)](Evaluator &evaluator, const Arguments &given) {
    BoundArguments arguments(evaluator, name, given, {});
    std::vector<Value> values;
    for (const auto &[key, value] : self.dict()->entries())
      values.push_back(name == "keys"     ? key
                       : name == "values" ? value
                                          : evaluator.makeList({key, value}, true));
    return evaluator.makeList(std::move(values));
  });
}

Value findListMethod(const Value &self, absl::string_view name) {
  if (name == "count")
    return method(name, [self](Evaluator &evaluator, const Arguments &given) {
      BoundArguments arguments(evaluator, "count", given, {"value"}, 1);
      if (evaluator.failed())
        return Value();
      const std::vector<Value> &items = self.list()->items;
      return Value(static_cast<int64_t>(std::count(items.begin(), items.end(), *arguments[0])));
    });
  if (name == "index")
    return method(name, [self](Evaluator &evaluator, const Arguments &given) {
      BoundArguments arguments(evaluator, "index", given, {"value"}, 1);
      if (evaluator.failed())
        return Value();
      const std::vector<Value> &items = self.list()->items;
      auto found = std::find(items.begin(), items.end(), *arguments[0]);
      return found == items.end() ? evaluator.fail("the value is not in the list")
                                  : Value(static_cast<int64_t>(found - items.begin()));
    });
  if (name == "copy" && !self.list()->tuple)
    return method(name, [self](Evaluator &, const Arguments &) { return self; });
  return Value();
}

Value cycle(const LoopState &loop, Evaluator &evaluator, const Arguments &arguments) {
  if (arguments.positional.empty())
    return evaluator.fail("cycle() needs at least one value");
  return arguments.positional[loop.index % arguments.positional.size()];
}

/// Whether the arguments differ from those of the last call in this loop.
Value changed(const LoopState &loop, Evaluator &evaluator, const Arguments &arguments) {
  std::shared_ptr<Namespace> &memory = *loop.memory;
  if (!memory)
    memory = evaluator.makeNamespace();
  Value values = evaluator.makeList(arguments.positional);
  const Value *last = memory->find("last");
  if (last && *last == values)
    return Value(false);
  memory->set("last", values);
  return Value(true);
}

Value loopAttribute(const Value &value, absl::string_view name) {
  const LoopState &loop = *value.loop();
  auto number = [](size_t n) { return Value(static_cast<int64_t>(n)); };
  size_t length = loop.items->items.size();
  if (name == "index")
    return number(loop.index + 1);
  if (name == "index0")
    return number(loop.index);
  if (name == "revindex")
    return number(length - loop.index);
  if (name == "revindex0")
    return number(length - loop.index - 1);
  if (name == "first")
    return Value(loop.index == 0);
  if (name == "last")
    return Value(loop.index + 1 == length);
  if (name == "length")
    return number(length);
  if (name == "depth")
    return number(1); // loops are not recursive
  if (name == "depth0")
    return number(0);
  if (name == "previtem")
    return loop.index > 0 ? loop.items->items[loop.index - 1] : Value::undefined("there is no previous item");
  if (name == "nextitem")
    return loop.index + 1 < length ? loop.items->items[loop.index + 1]
                                   : Value::undefined("there is no next item");
  if (name == "cycle")
    return method(name, [value](Evaluator &evaluator, const Arguments &arguments) {
      return cycle(*value.loop(), evaluator, arguments);
    });
  if (name == "changed")
    return method(name, [value](Evaluator &evaluator, const Arguments &arguments) {
      return changed(*value.loop(), evaluator, arguments);
    });
  return missingAttribute(value, name);
}

/// The bounds of a slice of `length` items, as Python's slice.indices() gives them.
struct SliceBounds {
  int64_t start;
  int64_t stop;
  int64_t step;
};

std::optional<SliceBounds> sliceBounds(Evaluator &evaluator, int64_t length, const Value *start,
                                       const Value *stop, const Value *step) {
  auto number = [&](const Value *value, int64_t fallback) {
    if (!value || value->isNone())
      return fallback;
    if (!value->isIntegral()) {
      evaluator.fail(absl::StrCat("a bound of a slice is ", value->typeName(), ", expected an integer"));
      return fallback;
    }
    return value->integer();
  };
  SliceBounds bounds{0, 0, number(step, 1)};
  if (bounds.step == 0)
    evaluator.fail("the step of a slice is 0");
  if (evaluator.failed())
    return std::nullopt;
  bool forward = bounds.step > 0;
  auto clamp = [&](int64_t at) {
    if (at < 0)
      at = at < -length ? -1 - length : at;
    if (at < 0)
      at += length;
    return forward ? std::clamp<int64_t>(at, 0, length) : std::clamp<int64_t>(at, -1, length - 1);
  };
  bool hasStart = start && !start->isNone(), hasStop = stop && !stop->isNone();
  bounds.start = hasStart ? clamp(number(start, 0)) : forward ? 0 : length - 1;
  bounds.stop = hasStop ? clamp(number(stop, 0)) : forward ? length : -1;
  return evaluator.failed() ? std::nullopt : std::optional<SliceBounds>(bounds);
}

/// The characters of a string, each as a view of it.
std::vector<absl::string_view> charactersOf(absl::string_view text) {
  std::vector<absl::string_view> characters;
  while (!text.empty()) {
    size_t length = decodeFront(text).length;
    characters.push_back(text.substr(0, length));
    text.remove_prefix(length);
  }
  return characters;
}

Value characterAt(const std::string &text, int64_t index) {
  std::vector<absl::string_view> characters = charactersOf(text);
  auto length = static_cast<int64_t>(characters.size());
  if (index < 0)
    index += length;
  return index >= 0 && index < length ? Value(characters[static_cast<size_t>(index)]) : Value();
}

} // namespace

std::vector<Value> Evaluator::iterate(const Value &value) {
  std::vector<Value> items;
  if (failed() || value.isUndefined())
    return items;
  if (const List *list = value.list()) {
    charge(list->items.size() * sizeof(Value));
    return list->items;
  }
  if (const Dict *dict = value.dict()) {
    charge(dict->entries().size() * sizeof(Value));
    for (const auto &[key, entry] : dict->entries())
      items.push_back(key);
    return items;
  }
  if (const std::string *text = value.string()) {
    if (charge(text->size() * sizeof(Value)))
      for (absl::string_view character : charactersOf(*text))
        items.emplace_back(character);
    return items;
  }
  fail(absl::StrCat("'", value.typeName(), "' object is not iterable"));
  return items;
}

Value findMethod(Evaluator &evaluator, const Value &self, absl::string_view name) {
  if (isMutator(self, name))
    return evaluator.fail(absl::StrCat("the method '", name, "' would change a ", self.typeName(),
                                       ", which a template must not"));
  if (self.isString())
    return findStringMethod(evaluator, self, name);
  if (self.dict())
    return findDictMethod(self, name);
  return self.list() ? findListMethod(self, name) : Value();
}

Value Evaluator::attribute(const Value &value, absl::string_view name) {
  if (failed())
    return Value();
  if (value.isUndefined())
    return fail(value.undefinedReason());
  if (value.loop())
    return loopAttribute(value, name);
  if (const Namespace *attributes = value.nameSpace()) {
    const Value *found = attributes->find(name);
    return found ? *found : missingAttribute(value, name);
  }
  if (Value bound = findMethod(*this, value, name); !bound.isUndefined() || failed())
    return bound;
  const Value *found = value.dict() ? value.dict()->find(name) : nullptr;
  return found ? *found : missingAttribute(value, name);
}

Value Evaluator::item(const Value &value, const Value &key) {
  if (failed())
    return Value();
  if (value.isUndefined())
    return fail(value.undefinedReason());
  if (const Dict *dict = value.dict())
    if (const Value *found = dict->find(key))
      return *found;
  if (const std::string *text = value.string(); text && key.isIntegral()) {
    charge(text->size());
    if (Value character = characterAt(*text, key.integer()); !character.isUndefined())
      return character;
  }
  if (const List *list = value.list(); list && key.isIntegral()) {
    auto length = static_cast<int64_t>(list->items.size());
    int64_t index = key.integer() < 0 ? key.integer() + length : key.integer();
    if (index >= 0 && index < length)
      return list->items[static_cast<size_t>(index)];
  }
  if (const std::string *name = key.string())
    return attribute(value, *name);
  return missing(value, absl::StrCat("element ", toRepresentation(key)));
}

Value Evaluator::slice(const Value &value, const Value *start, const Value *stop, const Value *step) {
  if (value.isUndefined())
    return fail(value.undefinedReason());
  const std::string *text = value.string();
  if (!text && !value.list())
    return missing(value, "slices");
  charge(text ? text->size() : 0);
  std::vector<absl::string_view> characters = text ? charactersOf(*text) : std::vector<absl::string_view>();
  auto length = static_cast<int64_t>(text ? characters.size() : value.list()->items.size());
  std::optional<SliceBounds> bounds = sliceBounds(*this, length, start, stop, step);
  if (!bounds)
    return Value();
  std::string part;
  std::vector<Value> items;
  for (int64_t i = bounds->start; bounds->step > 0 ? i < bounds->stop : i > bounds->stop;) {
    if (text)
      absl::StrAppend(&part, characters[static_cast<size_t>(i)]);
    else
      items.push_back(value.list()->items[static_cast<size_t>(i)]);
    if (__builtin_add_overflow(i, bounds->step, &i))
      break;
  }
  return text ? makeString(std::move(part)) : makeList(std::move(items), value.list()->tuple);
}

} // namespace llmc::text::jinja
