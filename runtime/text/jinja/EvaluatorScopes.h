//===- EvaluatorScopes.h - what the evaluator restores on the way out -----===//

#ifndef LLMC_TEXT_JINJA_EVALUATOR_SCOPES_H
#define LLMC_TEXT_JINJA_EVALUATOR_SCOPES_H

#include "runtime/text/jinja/Evaluator.h"

namespace llmc::text::jinja {

/// One construct at work: counts recursion and work, and keeps the line of its caller.
class Evaluator::Step {
public:
  Step(Evaluator &evaluator, uint32_t line) : evaluator(evaluator), callerLine(evaluator.line) {
    evaluator.line = line;
    evaluator.spend(kWork);
    if (++evaluator.depth > kMaxDepth)
      evaluator.fail("the template recurses too deeply");
  }
  Step(const Step &) = delete;
  Step &operator=(const Step &) = delete;
  ~Step() {
    --evaluator.depth;
    evaluator.line = callerLine;
  }

private:
  static constexpr int kMaxDepth = 900;
  static constexpr size_t kWork = 16;

  Evaluator &evaluator;
  uint32_t callerLine;
};

/// A scope inside `outer`, until the end.
class Evaluator::ScopeGuard {
public:
  ScopeGuard(Evaluator &evaluator, std::shared_ptr<Scope> outer)
      : evaluator(evaluator), before(evaluator.scope) {
    evaluator.scope = std::make_shared<Scope>();
    evaluator.scope->parent = std::move(outer);
  }
  ScopeGuard(const ScopeGuard &) = delete;
  ScopeGuard &operator=(const ScopeGuard &) = delete;
  ~ScopeGuard() { evaluator.scope = std::move(before); }

private:
  Evaluator &evaluator;
  std::shared_ptr<Scope> before;
};

/// Sends the output to `text`, until the end.
class Evaluator::Capture {
public:
  Capture(Evaluator &evaluator, std::string &text)
      : evaluator(evaluator), before(std::exchange(evaluator.output, &text)) {}
  Capture(const Capture &) = delete;
  Capture &operator=(const Capture &) = delete;
  ~Capture() { evaluator.output = before; }

private:
  Evaluator &evaluator;
  std::string *before;
};

} // namespace llmc::text::jinja

#endif
