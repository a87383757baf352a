//===- Value.h - what template expressions evaluate to --------------------===//

#ifndef LLMC_TEXT_JINJA_VALUE_H
#define LLMC_TEXT_JINJA_VALUE_H

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

namespace llmc::text::jinja {

class Value;
class Evaluator;

/// The arguments of a call.
struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

/// A list or a tuple. Immutable once it is a Value.
struct List {
  std::vector<Value> items;
  bool tuple = false;
};

/// A mapping that keeps the order of insertion. Immutable once it is a Value. Keys are strings, numbers,
/// booleans or None; as in Python 1, 1.0 and true are one key.
class Dict {
public:
  using Entry = std::pair<Value, Value>;

  /// Sets the value of `key`, which isKey().
  void set(Value key, Value value);
  /// The value of `key`, or null.
  const Value *find(const Value &key) const;
  const Value *find(absl::string_view key) const;
  const std::vector<Entry> &entries() const { return order; }

  static bool isKey(const Value &value);

private:
  static std::string lookupKey(const Value &key);

  std::vector<Entry> order;
  absl::flat_hash_map<std::string, size_t> positions;
};

/// The object of namespace(): attributes that can be assigned from inner scopes.
struct Namespace {
  std::vector<std::pair<std::string, Value>> attributes;

  const Value *find(absl::string_view name) const;
  void set(absl::string_view name, Value value);
};

/// Something that can be called. Errors go to the evaluator.
struct Callable {
  std::string name;
  std::function<Value(Evaluator &, const Arguments &)> call;
};

/// The variable `loop` of a for statement.
struct LoopState {
  std::shared_ptr<const List> items;
  size_t index = 0;
  /// What changed() has seen last, shared by the rounds of a loop; made at the first call.
  std::shared_ptr<std::shared_ptr<Namespace>> memory = std::make_shared<std::shared_ptr<Namespace>>();
};

/// A value as Python would have it. Copies are cheap: what is large is shared.
class Value {
public:
  /// Undefined, with the reason, for messages.
  struct Undefined {
    std::shared_ptr<const std::string> reason;
  };
  struct None {};

  Value() : data(Undefined{}) {}
  Value(None) : data(None{}) {}
  Value(bool boolean) : data(boolean) {}
  Value(int64_t integer) : data(integer) {}
  Value(double number) : data(number) {}
  Value(std::string text) : data(std::make_shared<const std::string>(std::move(text))) {}
  Value(absl::string_view text) : Value(std::string(text)) {}
  Value(const char *text) : Value(std::string(text)) {}
  Value(List list);
  Value(std::shared_ptr<const List> list) : data(std::move(list)) {}
  Value(Dict dict);
  Value(std::shared_ptr<Namespace> attributes) : data(std::move(attributes)) {}
  Value(Callable callable) : data(std::make_shared<const Callable>(std::move(callable))) {}
  Value(std::shared_ptr<const LoopState> loop) : data(std::move(loop)) {}
  template <typename T> Value(T *) = delete;

  /// `reason`: the message of an error when it is used.
  static Value undefined(absl::string_view reason) {
    Value value;
    value.data = Undefined{std::make_shared<const std::string>(reason)};
    return value;
  }
  /// A string that is marked as safe HTML: text that is added to it is escaped.
  static Value markup(std::string text) {
    Value value(std::move(text));
    value.safeHtml = true;
    return value;
  }
  static Value list(std::vector<Value> items) { return Value(List{std::move(items), false}); }
  static Value tuple(std::vector<Value> items) { return Value(List{std::move(items), true}); }

  bool isUndefined() const { return std::holds_alternative<Undefined>(data); }
  bool isNone() const { return std::holds_alternative<None>(data); }
  bool isBoolean() const { return std::holds_alternative<bool>(data); }
  bool isInteger() const { return std::holds_alternative<int64_t>(data); }
  bool isFloat() const { return std::holds_alternative<double>(data); }
  bool isString() const { return string() != nullptr; }
  bool isMarkup() const { return safeHtml; }
  /// Booleans are integers in Python.
  bool isIntegral() const { return isBoolean() || isInteger(); }
  bool isNumber() const { return isIntegral() || isFloat(); }

  bool boolean() const { return std::get<bool>(data); }
  /// Of an integral value.
  int64_t integer() const { return isBoolean() ? boolean() : std::get<int64_t>(data); }
  /// Of a number.
  double number() const { return isFloat() ? std::get<double>(data) : static_cast<double>(integer()); }
  /// Why this is undefined; may be empty.
  absl::string_view undefinedReason() const;

  // The content of a value of the kind, else null.
  const std::string *string() const { return pointer<const std::string>(); }
  const List *list() const { return pointer<const List>(); }
  const Dict *dict() const { return pointer<const Dict>(); }
  const Callable *callable() const { return pointer<const Callable>(); }
  const LoopState *loop() const { return pointer<const LoopState>(); }
  Namespace *nameSpace() const { return pointer<Namespace>(); }

  /// Python's truth of a value.
  bool truthy() const;

  /// The name of the type in Python.
  absl::string_view typeName() const;

  /// How deep lists and dicts nest in it: 0 for other values.
  uint32_t depth() const { return nesting; }

  /// Python's ==.
  friend bool operator==(const Value &left, const Value &right);

private:
  template <typename T> T *pointer() const {
    const auto *held = std::get_if<std::shared_ptr<T>>(&data);
    return held ? held->get() : nullptr;
  }

  std::variant<Undefined, None, bool, int64_t, double, std::shared_ptr<const std::string>,
               std::shared_ptr<const List>, std::shared_ptr<const Dict>, std::shared_ptr<Namespace>,
               std::shared_ptr<const Callable>, std::shared_ptr<const LoopState>>
      data;
  uint32_t nesting = 0;
  bool safeHtml = false;
};

/// Python's ordering of two numbers, strings or lists: negative, 0 or positive; nothing if they have no
/// order.
std::optional<int> compare(const Value &left, const Value &right);

} // namespace llmc::text::jinja

#endif
