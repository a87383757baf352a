//===- Evaluator.cpp - templates in action --------------------------------===//

#include "runtime/text/jinja/Evaluator.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include "runtime/text/jinja/EvaluatorScopes.h"
#include "runtime/text/jinja/Print.h"

namespace llmc::text::jinja {

namespace {

constexpr uint32_t kMaxValueDepth = 100;
// Objects that live until the end are expensive, so that they are bounded in number.
constexpr size_t kObjectWork = 256;
// A round of a loop makes a scope.
constexpr size_t kRoundWork = 64;

} // namespace

Evaluator::~Evaluator() {
  for (const std::shared_ptr<Namespace> &attributes : namespaces)
    attributes->attributes.clear();
  for (const std::shared_ptr<Scope> &captured : capturedScopes)
    captured->variables.clear();
}

absl::StatusOr<std::string> Evaluator::render(const Body &body, const Dict &variables) {
  auto functions = std::make_shared<Scope>();
  addGlobalFunctions(functions->variables);
  scope = std::make_shared<Scope>();
  scope->parent = std::move(functions);
  for (const auto &[name, value] : variables.entries())
    if (const std::string *text = name.string())
      scope->variables[*text] = value;
  std::string text;
  output = &text;
  execute(body);
  output = nullptr;
  if (failed())
    return failure;
  return text;
}

Value Evaluator::fail(absl::string_view message) {
  if (!failed())
    failure = absl::InvalidArgumentError(absl::StrFormat("line %d: %s", line, message));
  return Value();
}

bool Evaluator::spend(size_t amount) {
  work += std::min(amount, limits.work);
  if (work > limits.work && !failed())
    failure = absl::ResourceExhaustedError(absl::StrFormat("line %d: the template does too much work", line));
  return !failed();
}

Value Evaluator::makeString(std::string text) {
  if (!charge(text.size()))
    return Value();
  if (text.size() > limits.stringBytes)
    return fail(absl::StrCat("a string is longer than ", limits.stringBytes, " bytes"));
  return Value(std::move(text));
}

Value Evaluator::makeList(std::vector<Value> items, bool tuple) {
  if (!charge(items.size() * sizeof(Value)))
    return Value();
  if (items.size() > limits.listItems)
    return fail(absl::StrCat("a list is longer than ", limits.listItems, " items"));
  Value value(List{std::move(items), tuple});
  return value.depth() > kMaxValueDepth ? fail("a list is nested too deeply") : value;
}

Value Evaluator::makeDict(Dict dict) {
  if (!charge(dict.entries().size() * sizeof(Dict::Entry)))
    return Value();
  Value value(std::move(dict));
  return value.depth() > kMaxValueDepth ? fail("a dict is nested too deeply") : value;
}

std::shared_ptr<Namespace> Evaluator::makeNamespace() {
  spend(kObjectWork);
  namespaces.push_back(std::make_shared<Namespace>());
  return namespaces.back();
}

Value Evaluator::lookUp(const std::string &name) {
  for (const Scope *at = scope.get(); at; at = at->parent.get())
    if (auto found = at->variables.find(name); found != at->variables.end())
      return found->second;
  return Value::undefined(absl::StrCat("'", name, "' is undefined"));
}

void Evaluator::write(absl::string_view text) {
  if (!charge(text.size()))
    return;
  if (output->size() + text.size() > limits.stringBytes) {
    fail(absl::StrCat("the output is longer than ", limits.stringBytes, " bytes"));
    return;
  }
  output->append(text.data(), text.size());
}

std::string Evaluator::capture(const Body &body) {
  ScopeGuard inner(*this, scope);
  std::string text;
  Capture capturing(*this, text);
  execute(body);
  return text;
}

Evaluator::Flow Evaluator::execute(const Body &body) {
  for (const StatementPtr &statement : body) {
    if (failed())
      break;
    if (Flow flow = execute(*statement); flow != Flow::Normal)
      return flow;
  }
  return Flow::Normal;
}

Evaluator::Flow Evaluator::execute(const Statement &statement) {
  Step step(*this, statement.line);
  if (failed())
    return Flow::Normal;
  switch (statement.kind) {
  case Statement::Kind::Text:
    write(statement.text);
    break;
  case Statement::Kind::Output:
    write(toText(evaluate(*statement.value)));
    break;
  case Statement::Kind::If:
    return executeIf(statement);
  case Statement::Kind::For:
    return executeFor(statement);
  case Statement::Kind::Set:
    assign(*statement.target, evaluate(*statement.value));
    break;
  case Statement::Kind::SetBlock:
    executeSetBlock(statement);
    break;
  case Statement::Kind::Macro:
    scope->variables[statement.name] = Value(makeMacro(statement));
    break;
  case Statement::Kind::CallBlock:
    executeCallBlock(statement);
    break;
  case Statement::Kind::Filter:
    executeFilterBlock(statement);
    break;
  case Statement::Kind::With:
    return executeWith(statement);
  case Statement::Kind::Break:
    return Flow::Break;
  case Statement::Kind::Continue:
    return Flow::Continue;
  }
  return Flow::Normal;
}

Evaluator::Flow Evaluator::executeIf(const Statement &statement) {
  for (const auto &[condition, body] : statement.branches) {
    bool holds = evaluate(*condition).truthy();
    if (failed())
      return Flow::Normal;
    if (holds)
      return execute(body);
  }
  return execute(statement.orElse);
}

/// The items of a for statement for which its condition holds.
std::vector<Value> Evaluator::loopItems(const Statement &statement) {
  std::vector<Value> items = iterate(evaluate(*statement.value));
  if (!statement.condition)
    return items;
  std::vector<Value> kept;
  for (Value &item : items) {
    spend(kRoundWork);
    ScopeGuard inner(*this, scope);
    assign(*statement.target, item);
    if (evaluate(*statement.condition).truthy())
      kept.push_back(std::move(item));
    if (failed())
      break;
  }
  return kept;
}

Evaluator::Flow Evaluator::executeFor(const Statement &statement) {
  auto state = std::make_shared<LoopState>();
  state->items = std::make_shared<const List>(List{loopItems(statement)});
  for (size_t i = 0; i < state->items->items.size() && !failed(); ++i) {
    spend(kRoundWork);
    ScopeGuard inner(*this, scope);
    // A body may keep `loop`, so each round has its own.
    auto round = std::make_shared<LoopState>(*state);
    round->index = i;
    assign(*statement.target, state->items->items[i]);
    scope->variables["loop"] = Value(std::shared_ptr<const LoopState>(std::move(round)));
    if (execute(statement.body) == Flow::Break)
      return Flow::Normal;
  }
  if (!state->items->items.empty() || failed())
    return Flow::Normal;
  ScopeGuard inner(*this, scope);
  return execute(statement.orElse);
}

void Evaluator::executeSetBlock(const Statement &statement) {
  Value value = makeString(capture(statement.body));
  if (statement.value)
    value = filter(*statement.value, &value);
  assign(*statement.target, value);
}

void Evaluator::executeFilterBlock(const Statement &statement) {
  Value value = makeString(capture(statement.body));
  write(toText(filter(*statement.value, &value)));
}

Evaluator::Flow Evaluator::executeWith(const Statement &statement) {
  std::vector<Value> values;
  for (const auto &[target, value] : statement.assignments)
    values.push_back(evaluate(*value));
  ScopeGuard inner(*this, scope);
  for (size_t i = 0; i < values.size(); ++i)
    assign(*statement.assignments[i].first, values[i]);
  return execute(statement.body);
}

void Evaluator::assign(const Expression &target, const Value &value) {
  if (failed())
    return;
  switch (target.kind) {
  case Expression::Kind::Name:
    scope->variables[target.name] = value;
    return;
  case Expression::Kind::Attribute: {
    Value object = lookUp(target.children[0]->name);
    if (Namespace *attributes = object.nameSpace())
      attributes->set(target.name, value);
    else
      fail(absl::StrCat("cannot assign the attribute '", target.name, "' of ", object.typeName(),
                        "; only a namespace has assignable attributes"));
    return;
  }
  default: {
    std::vector<Value> items = iterate(value);
    if (failed())
      return;
    if (items.size() != target.children.size()) {
      fail(absl::StrCat("cannot unpack ", items.size(), " values into ", target.children.size(), " names"));
      return;
    }
    for (size_t i = 0; i < items.size(); ++i)
      assign(*target.children[i], items[i]);
  }
  }
}

/// A function over the body of a macro or of a call block, with the variables that are visible here.
Callable Evaluator::makeMacro(const Statement &statement) {
  capturedScopes.push_back(scope);
  spend(kObjectWork);
  absl::string_view name =
      statement.kind == Statement::Kind::Macro ? absl::string_view(statement.name) : "caller";
  return Callable{std::string(name),
                  [&statement, outer = scope](Evaluator &evaluator, const Arguments &arguments) {
                    return evaluator.callMacro(statement, outer, arguments);
                  }};
}

void Evaluator::executeCallBlock(const Statement &statement) {
  Value callee = evaluate(*statement.value->children[0]);
  Arguments arguments = evaluateArguments(statement.value->arguments);
  arguments.named.emplace_back("caller", Value(makeMacro(statement)));
  write(toText(call(callee, arguments)));
}

Value Evaluator::callMacro(const Statement &statement, const std::shared_ptr<Scope> &outer,
                           const Arguments &arguments) {
  Step step(*this, statement.line);
  if (failed())
    return Value();
  ScopeGuard inner(*this, outer);
  if (!bindParameters(statement, arguments))
    return Value();
  std::string text;
  {
    Capture capturing(*this, text);
    execute(statement.body);
  }
  return makeString(std::move(text));
}

/// Sets the variables of a call: the parameters, and varargs, kwargs and caller.
bool Evaluator::bindParameters(const Statement &statement, const Arguments &arguments) {
  std::vector<Value> extra;
  Dict extraNamed;
  const std::vector<Parameter> &parameters = statement.parameters;
  for (size_t i = 0; i < arguments.positional.size(); ++i)
    if (i < parameters.size())
      scope->variables[parameters[i].name] = arguments.positional[i];
    else
      extra.push_back(arguments.positional[i]);
  for (const auto &[name, value] : arguments.named) {
    bool known =
        name == "caller" || std::any_of(parameters.begin(), parameters.end(),
                                        [&](const Parameter &parameter) { return parameter.name == name; });
    if (known && scope->variables.contains(name))
      return fail(absl::StrCat("the argument '", name, "' is given twice")), false;
    if (known)
      scope->variables[name] = value;
    else
      extraNamed.set(name, value);
  }
  for (const Parameter &parameter : parameters)
    if (!scope->variables.contains(parameter.name))
      scope->variables[parameter.name] =
          parameter.defaultValue
              ? evaluate(*parameter.defaultValue)
              : Value::undefined(absl::StrCat("parameter '", parameter.name, "' was not provided"));
  scope->variables.try_emplace("varargs", makeList(std::move(extra), /*tuple=*/true));
  scope->variables.try_emplace("kwargs", makeDict(std::move(extraNamed)));
  return !failed();
}

Value Evaluator::call(const Value &callee, const Arguments &arguments) {
  if (failed())
    return Value();
  if (const Callable *callable = callee.callable())
    return callable->call(*this, arguments);
  if (callee.isUndefined())
    return fail(callee.undefinedReason());
  return fail(absl::StrCat("'", callee.typeName(), "' object is not callable"));
}

} // namespace llmc::text::jinja
