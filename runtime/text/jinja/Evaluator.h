//===- Evaluator.h - templates in action ----------------------------------===//

#ifndef LLMC_TEXT_JINJA_EVALUATOR_H
#define LLMC_TEXT_JINJA_EVALUATOR_H

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "runtime/text/jinja/Syntax.h"
#include "runtime/text/jinja/Value.h"

namespace llmc::text::jinja {

/// What a hostile template may use up.
struct Limits {
  /// Bytes of one string, of the output too.
  size_t stringBytes = 64 << 20;
  /// Items of one list, and of range().
  size_t listItems = 1 << 20;
  /// Work in all, about 10 ns each: a few per byte made, 16 per step of the evaluator.
  size_t work = size_t{256} << 20;
};

/// Renders one template once. The first error stays: from then on every function returns something that is
/// not used. Values and their operations are Python's; mutable lists and dicts are refused as in the sandbox
/// of the transformers library.
class Evaluator {
public:
  Evaluator(const Limits &limits, std::optional<absl::Time> now) : limits(limits), now(now) {}
  ~Evaluator();

  /// Renders `body`, which must outlive the evaluator, with these global variables.
  absl::StatusOr<std::string> render(const Body &body, const Dict &variables);

  // For operations, filters, tests and methods.

  bool failed() const { return !failure.ok(); }
  /// Records an error at the current line.
  Value fail(absl::string_view message);
  /// Pays for the making of `bytes`; fails and returns false once the limits are reached.
  bool charge(size_t bytes) { return spend(bytes / 32 + 1); }
  const Limits &limit() const { return limits; }
  /// A string, if it is within the limits.
  Value makeString(std::string text);
  /// A list or a dict, if it is within the limits and not nested too deeply.
  Value makeList(std::vector<Value> items, bool tuple = false);
  Value makeDict(Dict dict);

  /// The items that a for statement would see; fails if there are none by nature.
  std::vector<Value> iterate(const Value &value);
  /// value.name and value[key]; see Access.cpp.
  Value attribute(const Value &value, absl::string_view name);
  Value item(const Value &value, const Value &key);
  Value slice(const Value &value, const Value *start, const Value *stop, const Value *step);
  Value call(const Value &callable, const Arguments &arguments);
  Value applyFilter(absl::string_view name, const Value &value, const Arguments &arguments);
  bool applyTest(absl::string_view name, const Value &value, const Arguments &arguments);
  /// `left operation right` for arithmetic; see Operations.cpp.
  Value operate(Operator operation, const Value &left, const Value &right);
  bool contains(const Value &container, const Value &value);

  std::shared_ptr<Namespace> makeNamespace();
  absl::Time time() const { return now.value_or(absl::Now()); }

private:
  enum class Flow { Normal, Break, Continue };
  struct Scope {
    std::shared_ptr<Scope> parent;
    absl::flat_hash_map<std::string, Value> variables;
  };
  /// Counts recursion, and keeps the line of the construct at work.
  class Step;
  class ScopeGuard;
  class Capture;

  /// Pays for work; see Limits.
  bool spend(size_t amount);
  Value lookUp(const std::string &name);
  Value evaluate(const Expression &expression);
  Value evaluateKind(const Expression &expression);
  Value evaluateDict(const Expression &expression);
  Value evaluateUnary(const Expression &expression);
  Value evaluateBinary(const Expression &expression);
  Value evaluateComparison(const Expression &expression);
  bool compareBy(Operator operation, const Value &left, const Value &right);
  Value evaluateSlice(const Expression &expression);
  Value filter(const Expression &expression, const Value *input);
  std::vector<Value> evaluateAll(const std::vector<ExpressionPtr> &expressions);
  Arguments evaluateArguments(const ArgumentSyntax &syntax);

  Flow execute(const Body &body);
  Flow execute(const Statement &statement);
  Flow executeIf(const Statement &statement);
  Flow executeFor(const Statement &statement);
  std::vector<Value> loopItems(const Statement &statement);
  void executeSetBlock(const Statement &statement);
  void executeCallBlock(const Statement &statement);
  void executeFilterBlock(const Statement &statement);
  Flow executeWith(const Statement &statement);
  void assign(const Expression &target, const Value &value);
  Callable makeMacro(const Statement &statement);
  Value callMacro(const Statement &statement, const std::shared_ptr<Scope> &outer,
                  const Arguments &arguments);
  bool bindParameters(const Statement &statement, const Arguments &arguments);
  std::string capture(const Body &body);
  void write(absl::string_view text);

  const Limits limits;
  const std::optional<absl::Time> now;
  absl::Status failure;
  uint32_t line = 1;
  int depth = 0;
  size_t work = 0;
  std::shared_ptr<Scope> scope;
  std::string *output = nullptr;
  // Broken up at the end, as they may hold themselves.
  std::vector<std::shared_ptr<Scope>> capturedScopes;
  std::vector<std::shared_ptr<Namespace>> namespaces;
};

/// The functions that every template has: range, dict, namespace, raise_exception, strftime_now.
void addGlobalFunctions(absl::flat_hash_map<std::string, Value> &variables);

/// A method of a string, list or dict, bound to it; undefined if there is none of this name.
Value findMethod(Evaluator &evaluator, const Value &self, absl::string_view name);
Value findStringMethod(Evaluator &evaluator, const Value &self, absl::string_view name);

using FilterFunction = Value (*)(Evaluator &, const Value &input, const Arguments &);
/// The filter of this name, or null.
FilterFunction findTextFilter(absl::string_view name);
FilterFunction findSequenceFilter(absl::string_view name);

using TestFunction = bool (*)(Evaluator &, const Value &input, const Arguments &);
TestFunction findTest(absl::string_view name);

} // namespace llmc::text::jinja

#endif
