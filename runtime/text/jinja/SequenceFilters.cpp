//===- SequenceFilters.cpp - filters of lists and dicts -------------------===//

#include <algorithm>
#include <map>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include "runtime/text/Unicode.h"
#include "runtime/text/jinja/BoundArguments.h"
#include "runtime/text/jinja/Evaluator.h"
#include "runtime/text/jinja/PythonText.h"

namespace llmc::text::jinja {

namespace {

/// The attribute that `path` names: steps between dots are keys, attributes or positions.
Value attributeOf(Evaluator &evaluator, Value value, const Value &path) {
  const std::string *text = path.string();
  if (!text)
    return evaluator.item(value, path);
  for (absl::string_view step : absl::StrSplit(*text, '.')) {
    int64_t position = 0;
    value = evaluator.item(value, absl::SimpleAtoi(step, &position) ? Value(position) : Value(step));
  }
  return value;
}

/// What sorting and comparing look at: an attribute, strings in lower case unless case matters.
Value sortKey(Evaluator &evaluator, const Value &value, const Value *attribute, bool caseSensitive) {
  Value key = attribute && !attribute->isNone() ? attributeOf(evaluator, value, *attribute) : value;
  return key.isString() && !caseSensitive ? Value(lowerCase(*key.string())) : key;
}

using Keyed = std::pair<Value, Value>; // what is compared, and the item

/// Merge sort: unlike std::sort it survives an order without rhyme, which templates can make with NaN.
template <typename Less>
void mergeSort(std::vector<Keyed> &keyed, size_t begin, size_t end, const Less &less) {
  if (end - begin < 2)
    return;
  size_t middle = begin + (end - begin) / 2;
  mergeSort(keyed, begin, middle, less);
  mergeSort(keyed, middle, end, less);
  std::vector<Keyed> merged;
  for (size_t left = begin, right = middle; left < middle || right < end;) {
    bool takeRight = left == middle || (right < end && less(keyed[right], keyed[left]));
    merged.push_back(std::move(keyed[takeRight ? right++ : left++]));
  }
  std::move(merged.begin(), merged.end(), keyed.begin() + static_cast<ptrdiff_t>(begin));
}

/// Stable; fails if two keys have no order.
void sortBy(Evaluator &evaluator, std::vector<Keyed> &keyed, bool reverse) {
  evaluator.charge(keyed.size() * 1024);
  auto less = [&](const Keyed &a, const Keyed &b) {
    std::optional<int> order = evaluator.failed() ? 0 : compare(a.first, b.first);
    if (!order)
      evaluator.fail(absl::StrCat("'", a.first.typeName(), "' and '", b.first.typeName(), "' have no order"));
    return order.value_or(0) < 0;
  };
  if (reverse)
    mergeSort(keyed, 0, keyed.size(), [&](const Keyed &a, const Keyed &b) { return less(b, a); });
  else
    mergeSort(keyed, 0, keyed.size(), less);
}

Value sorted(Evaluator &evaluator, const Value &input, const Arguments &given) {
  BoundArguments arguments(evaluator, "sort", given, {"reverse", "case_sensitive", "attribute"});
  std::vector<Keyed> keyed;
  for (Value &item : evaluator.iterate(input)) {
    Value key;
    if (arguments.given(2) && arguments[2]->isString()) {
      // Several attributes, one after the other.
      std::vector<Value> keys;
      for (absl::string_view name : absl::StrSplit(*arguments[2]->string(), ',')) {
        Value path(name);
        keys.push_back(sortKey(evaluator, item, &path, arguments.truthOr(1, false)));
      }
      key = Value::list(std::move(keys));
    } else {
      key = sortKey(evaluator, item, arguments[2], arguments.truthOr(1, false));
    }
    keyed.emplace_back(std::move(key), std::move(item));
  }
  sortBy(evaluator, keyed, arguments.truthOr(0, false));
  std::vector<Value> items;
  for (auto &[key, item] : keyed)
    items.push_back(std::move(item));
  return evaluator.makeList(std::move(items));
}

const Dict *requireDict(Evaluator &evaluator, absl::string_view filter, const Value &input) {
  if (!input.dict())
    evaluator.fail(absl::StrCat(filter, "() needs a dict, not a value of type ", input.typeName()));
  return input.dict();
}

Value dictSort(Evaluator &evaluator, const Value &input, const Arguments &given) {
  BoundArguments arguments(evaluator, "dictsort", given, {"case_sensitive", "by", "reverse"});
  const Dict *dict = requireDict(evaluator, "dictsort", input);
  if (!dict)
    return Value();
  bool byValue = arguments.textOr(1, "key") == "value";
  std::vector<Keyed> keyed;
  for (const auto &[key, value] : dict->entries())
    keyed.emplace_back(sortKey(evaluator, byValue ? value : key, nullptr, arguments.truthOr(0, false)),
                       Value::tuple({key, value}));
  sortBy(evaluator, keyed, arguments.truthOr(2, false));
  std::vector<Value> items;
  for (auto &[key, item] : keyed)
    items.push_back(std::move(item));
  return evaluator.makeList(std::move(items));
}

Value items(Evaluator &evaluator, const Value &input, const Arguments &given) {
  BoundArguments arguments(evaluator, "items", given, {});
  std::vector<Value> pairs;
  if (input.isUndefined())
    return evaluator.makeList(std::move(pairs));
  if (const Dict *dict = requireDict(evaluator, "items", input))
    for (const auto &[key, value] : dict->entries())
      pairs.push_back(Value::tuple({key, value}));
  return evaluator.makeList(std::move(pairs));
}

Value first(Evaluator &evaluator, const Value &input, const Arguments &given) {
  BoundArguments arguments(evaluator, "first", given, {});
  std::vector<Value> values = evaluator.iterate(input);
  return values.empty() ? Value::undefined("there is no first item, the sequence is empty") : values.front();
}

Value last(Evaluator &evaluator, const Value &input, const Arguments &given) {
  BoundArguments arguments(evaluator, "last", given, {});
  std::vector<Value> values = evaluator.iterate(input);
  return values.empty() ? Value::undefined("there is no last item, the sequence is empty") : values.back();
}

Value list(Evaluator &evaluator, const Value &input, const Arguments &given) {
  BoundArguments arguments(evaluator, "list", given, {});
  return evaluator.makeList(evaluator.iterate(input));
}

Value reverse(Evaluator &evaluator, const Value &input, const Arguments &given) {
  BoundArguments arguments(evaluator, "reverse", given, {});
  std::vector<Value> values = evaluator.iterate(input);
  std::reverse(values.begin(), values.end());
  if (!input.isString())
    return evaluator.makeList(std::move(values));
  std::string text;
  for (const Value &character : values)
    text += *character.string();
  return evaluator.makeString(std::move(text));
}

Value join(Evaluator &evaluator, const Value &input, const Arguments &given) {
  BoundArguments arguments(evaluator, "join", given, {"d", "attribute"});
  std::string separator = toText(arguments.valueOr(0, Value(""))), text;
  bool isFirst = true;
  for (const Value &item : evaluator.iterate(input)) {
    Value part = arguments.given(1) ? attributeOf(evaluator, item, *arguments[1]) : item;
    absl::StrAppend(&text, std::exchange(isFirst, false) ? "" : separator, toText(part));
    if (text.size() > evaluator.limit().stringBytes)
      return evaluator.fail("join() makes too long a string");
  }
  return evaluator.makeString(std::move(text));
}

/// The arguments behind the first `count`.
Arguments behind(const Arguments &given, size_t count) {
  return {{given.positional.begin() + static_cast<ptrdiff_t>(count), given.positional.end()}, given.named};
}

/// The first argument as a name.
const std::string *leadingName(Evaluator &evaluator, const Arguments &given, size_t i,
                               absl::string_view filter) {
  const std::string *name = i < given.positional.size() ? given.positional[i].string() : nullptr;
  if (!name)
    evaluator.fail(absl::StrCat(filter, "() needs a name"));
  return name;
}

/// Some filters take None and false for an empty sequence.
std::vector<Value> iterateIfAny(Evaluator &evaluator, const Value &input) {
  return evaluator.iterate(input.truthy() ? input : Value());
}

Value map(Evaluator &evaluator, const Value &input, const Arguments &given) {
  std::vector<Value> results;
  if (given.positional.empty()) {
    BoundArguments arguments(evaluator, "map", given, {"attribute", "default"}, 1);
    for (const Value &item : iterateIfAny(evaluator, evaluator.failed() ? Value() : input)) {
      Value result = attributeOf(evaluator, item, *arguments[0]);
      results.push_back(result.isUndefined() ? arguments.valueOr(1, result) : result);
    }
    return evaluator.makeList(std::move(results));
  }
  const std::string *filter = leadingName(evaluator, given, 0, "map");
  Arguments rest = behind(given, 1);
  for (const Value &item : iterateIfAny(evaluator, filter ? input : Value()))
    results.push_back(evaluator.applyFilter(*filter, item, rest));
  return evaluator.makeList(std::move(results));
}

/// Keeps the items whose test, or truth, is `wanted`.
template <bool wanted> Value select(Evaluator &evaluator, const Value &input, const Arguments &given) {
  const std::string *test =
      given.positional.empty() ? nullptr : leadingName(evaluator, given, 0, wanted ? "select" : "reject");
  Arguments rest = behind(given, given.positional.empty() ? 0 : 1);
  std::vector<Value> kept;
  for (Value &item : iterateIfAny(evaluator, input))
    if ((test ? evaluator.applyTest(*test, item, rest) : item.truthy()) == wanted)
      kept.push_back(std::move(item));
  return evaluator.makeList(std::move(kept));
}

/// The same by an attribute of the items.
template <bool wanted> Value selectBy(Evaluator &evaluator, const Value &input, const Arguments &given) {
  if (given.positional.empty())
    return evaluator.fail("selectattr() and rejectattr() need the name of an attribute");
  const std::string *test = given.positional.size() < 2
                                ? nullptr
                                : leadingName(evaluator, given, 1, wanted ? "selectattr" : "rejectattr");
  Arguments rest = behind(given, std::min<size_t>(given.positional.size(), 2));
  std::vector<Value> kept;
  for (Value &item : iterateIfAny(evaluator, input)) {
    Value value = attributeOf(evaluator, item, given.positional[0]);
    if ((test ? evaluator.applyTest(*test, value, rest) : value.truthy()) == wanted)
      kept.push_back(std::move(item));
  }
  return evaluator.makeList(std::move(kept));
}

Value unique(Evaluator &evaluator, const Value &input, const Arguments &given) {
  BoundArguments arguments(evaluator, "unique", given, {"case_sensitive", "attribute"});
  std::vector<Value> keys, kept;
  for (Value &item : evaluator.iterate(input)) {
    Value key = sortKey(evaluator, item, arguments[1], arguments.truthOr(0, false));
    if (!evaluator.charge(keys.size() * sizeof(Value)))
      break;
    if (std::find(keys.begin(), keys.end(), key) != keys.end())
      continue;
    keys.push_back(std::move(key));
    kept.push_back(std::move(item));
  }
  return evaluator.makeList(std::move(kept));
}

Value sum(Evaluator &evaluator, const Value &input, const Arguments &given) {
  BoundArguments arguments(evaluator, "sum", given, {"attribute", "start"});
  Value total = arguments.valueOr(1, Value(int64_t{0}));
  for (const Value &item : evaluator.iterate(input))
    total = evaluator.operate(Operator::Add, total,
                              arguments.given(0) ? attributeOf(evaluator, item, *arguments[0]) : item);
  return total;
}

template <bool largest> Value extreme(Evaluator &evaluator, const Value &input, const Arguments &given) {
  BoundArguments arguments(evaluator, largest ? "max" : "min", given, {"case_sensitive", "attribute"});
  std::optional<std::pair<Value, Value>> best;
  for (Value &item : evaluator.iterate(input)) {
    Value key = sortKey(evaluator, item, arguments[1], arguments.truthOr(0, false));
    std::optional<int> order = best ? compare(key, best->first) : std::optional<int>(largest ? 1 : -1);
    if (!order)
      return evaluator.fail(
          absl::StrCat("'", key.typeName(), "' and '", best->first.typeName(), "' have no order"));
    if (largest ? *order > 0 : *order < 0)
      best = {std::move(key), std::move(item)};
  }
  return best ? best->second : Value::undefined("there is no item, the sequence is empty");
}

Value batch(Evaluator &evaluator, const Value &input, const Arguments &given) {
  BoundArguments arguments(evaluator, "batch", given, {"linecount", "fill_with"}, 1);
  int64_t size = arguments.integerOr(0, 1);
  if (size < 1 || static_cast<size_t>(size) > evaluator.limit().listItems)
    return evaluator.fail("batch(): the size of a batch is out of range");
  std::vector<Value> batches, current;
  for (Value &item : evaluator.iterate(input)) {
    if (current.size() == static_cast<size_t>(size))
      batches.push_back(evaluator.makeList(std::exchange(current, {})));
    current.push_back(std::move(item));
  }
  if (!current.empty()) {
    if (arguments.given(1))
      current.resize(static_cast<size_t>(size), *arguments[1]);
    batches.push_back(evaluator.makeList(std::move(current)));
  }
  return evaluator.makeList(std::move(batches));
}

/// Cuts into columns of nearly equal length.
Value slices(Evaluator &evaluator, const Value &input, const Arguments &given) {
  BoundArguments arguments(evaluator, "slice", given, {"slices", "fill_with"}, 1);
  int64_t count = arguments.integerOr(0, 1);
  if (count < 1 || static_cast<size_t>(count) > evaluator.limit().listItems)
    return evaluator.fail("slice(): the number of slices is out of range");
  std::vector<Value> values = evaluator.iterate(input), columns;
  size_t length = values.size() / static_cast<size_t>(count),
         longer = values.size() % static_cast<size_t>(count);
  auto next = values.begin();
  for (size_t i = 0; i < static_cast<size_t>(count) && !evaluator.failed(); ++i) {
    auto end = next + static_cast<ptrdiff_t>(length + (i < longer));
    std::vector<Value> column(next, end);
    if (arguments.given(1) && i >= longer)
      column.push_back(*arguments[1]);
    columns.push_back(evaluator.makeList(std::move(column)));
    next = end;
  }
  return evaluator.makeList(std::move(columns));
}

Value groupBy(Evaluator &evaluator, const Value &input, const Arguments &given) {
  BoundArguments arguments(evaluator, "groupby", given, {"attribute", "default", "case_sensitive"}, 1);
  std::vector<Keyed> keyed;
  for (Value &item : evaluator.iterate(evaluator.failed() ? Value() : input)) {
    Value key = attributeOf(evaluator, item, *arguments[0]);
    if (key.isUndefined())
      key = arguments.valueOr(1, key);
    keyed.emplace_back(sortKey(evaluator, key, nullptr, arguments.truthOr(2, false)),
                       Value::tuple({std::move(key), std::move(item)}));
  }
  sortBy(evaluator, keyed, /*reverse=*/false);
  std::vector<Value> groups;
  for (size_t i = 0; i < keyed.size();) {
    std::vector<Value> members;
    size_t start = i;
    for (; i < keyed.size() && keyed[i].first == keyed[start].first; ++i)
      members.push_back(keyed[i].second.list()->items[1]);
    groups.push_back(evaluator.makeList(
        {keyed[start].second.list()->items[0], evaluator.makeList(std::move(members))}, true));
  }
  return evaluator.makeList(std::move(groups));
}

} // namespace

FilterFunction findSequenceFilter(absl::string_view name) {
  static const auto *const table =
      new std::map<absl::string_view, FilterFunction>{{"sort", sorted},
                                                      {"dictsort", dictSort},
                                                      {"items", items},
                                                      {"first", first},
                                                      {"last", last},
                                                      {"list", list},
                                                      {"reverse", reverse},
                                                      {"join", join},
                                                      {"map", map},
                                                      {"select", select<true>},
                                                      {"reject", select<false>},
                                                      {"selectattr", selectBy<true>},
                                                      {"rejectattr", selectBy<false>},
                                                      {"unique", unique},
                                                      {"sum", sum},
                                                      {"min", extreme<false>},
                                                      {"max", extreme<true>},
                                                      {"batch", batch},
                                                      {"slice", slices},
                                                      {"groupby", groupBy}};
  auto found = table->find(name);
  return found == table->end() ? nullptr : found->second;
}

} // namespace llmc::text::jinja
