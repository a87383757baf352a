//===- Value.cpp - what template expressions evaluate to ------------------===//

#include "runtime/text/jinja/Value.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"

namespace llmc::text::jinja {

bool Dict::isKey(const Value &value) { return value.isString() || value.isNumber() || value.isNone(); }

std::string Dict::lookupKey(const Value &key) {
  if (const std::string *text = key.string())
    return absl::StrCat("s", *text);
  if (key.isNone())
    return "n";
  double number = key.number();
  if (key.isIntegral() || (std::abs(number) < 9e15 && number == std::floor(number)))
    return absl::StrCat("i", key.isIntegral() ? key.integer() : static_cast<int64_t>(number));
  return absl::StrCat("f", number);
}

void Dict::set(Value key, Value value) {
  auto [position, added] = positions.try_emplace(lookupKey(key), order.size());
  if (added)
    order.emplace_back(std::move(key), std::move(value));
  else
    order[position->second].second = std::move(value);
}

const Value *Dict::find(const Value &key) const {
  auto found = isKey(key) ? positions.find(lookupKey(key)) : positions.end();
  return found == positions.end() ? nullptr : &order[found->second].second;
}

const Value *Dict::find(absl::string_view key) const {
  auto found = positions.find(absl::StrCat("s", key));
  return found == positions.end() ? nullptr : &order[found->second].second;
}

const Value *Namespace::find(absl::string_view name) const {
  for (const auto &[attribute, value] : attributes)
    if (attribute == name)
      return &value;
  return nullptr;
}

void Namespace::set(absl::string_view name, Value value) {
  for (auto &[attribute, old] : attributes)
    if (attribute == name) {
      old = std::move(value);
      return;
    }
  attributes.emplace_back(std::string(name), std::move(value));
}

Value::Value(List given) {
  for (const Value &item : given.items)
    nesting = std::max(nesting, item.nesting);
  ++nesting;
  data = std::make_shared<const List>(std::move(given));
}

Value::Value(Dict given) {
  for (const auto &[key, value] : given.entries())
    nesting = std::max(nesting, value.nesting);
  ++nesting;
  data = std::make_shared<const Dict>(std::move(given));
}

absl::string_view Value::undefinedReason() const {
  const auto *undefined = std::get_if<Undefined>(&data);
  return undefined && undefined->reason ? absl::string_view(*undefined->reason) : absl::string_view();
}

bool Value::truthy() const {
  if (isUndefined() || isNone())
    return false;
  if (isIntegral())
    return integer() != 0;
  if (isFloat())
    return number() != 0;
  if (const std::string *text = string())
    return !text->empty();
  if (const List *items = list())
    return !items->items.empty();
  if (const Dict *mapping = dict())
    return !mapping->entries().empty();
  return true;
}

absl::string_view Value::typeName() const {
  if (isUndefined())
    return "Undefined";
  if (isNone())
    return "NoneType";
  if (isBoolean())
    return "bool";
  if (isInteger())
    return "int";
  if (isFloat())
    return "float";
  if (isString())
    return "str";
  if (const List *items = list())
    return items->tuple ? "tuple" : "list";
  if (dict())
    return "dict";
  if (nameSpace())
    return "Namespace";
  return loop() ? "LoopContext" : "function";
}

bool operator==(const Value &left, const Value &right) {
  if (left.isNumber() && right.isNumber())
    return left.isIntegral() && right.isIntegral() ? left.integer() == right.integer()
                                                   : left.number() == right.number();
  if (left.isString() && right.isString())
    return *left.string() == *right.string();
  if (const List *a = left.list(), *b = right.list(); a && b)
    return a == b || (a->tuple == b->tuple && a->items == b->items);
  if (const Dict *a = left.dict(), *b = right.dict(); a && b) {
    if (a->entries().size() != b->entries().size())
      return false;
    return a == b || std::all_of(a->entries().begin(), a->entries().end(), [&](const Dict::Entry &entry) {
             const Value *other = b->find(entry.first);
             return other && *other == entry.second;
           });
  }
  if ((left.isNone() && right.isNone()) || (left.isUndefined() && right.isUndefined()))
    return true;
  return (left.nameSpace() && left.nameSpace() == right.nameSpace()) ||
         (left.callable() && left.callable() == right.callable()) ||
         (left.loop() && left.loop() == right.loop());
}

std::optional<int> compare(const Value &left, const Value &right) {
  auto sign = [](auto a, auto b) { return a < b ? -1 : a > b ? 1 : 0; };
  if (left.isIntegral() && right.isIntegral())
    return sign(left.integer(), right.integer());
  if (left.isNumber() && right.isNumber())
    return sign(left.number(), right.number());
  // Bytes of UTF-8 are in the order of characters.
  if (left.isString() && right.isString())
    return sign(left.string()->compare(*right.string()), 0);
  const List *a = left.list(), *b = right.list();
  if (!a || !b || a->tuple != b->tuple)
    return std::nullopt;
  for (size_t i = 0; i < std::min(a->items.size(), b->items.size()); ++i)
    if (!(a->items[i] == b->items[i]))
      return compare(a->items[i], b->items[i]);
  return sign(a->items.size(), b->items.size());
}

} // namespace llmc::text::jinja
