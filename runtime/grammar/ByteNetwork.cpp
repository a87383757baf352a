#include "runtime/grammar/ByteNetwork.h"

#include "runtime/grammar/Utf8Ranges.h"
#include "runtime/io/Message.h"

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"

namespace llmc::grammar {

namespace {

constexpr size_t kMostNodes = size_t(1) << 20;

using Node = ByteNetwork::Node;

/// Finds rules that begin with themselves, perhaps behind parts that may be nothing.
class LeftRecursion {
public:
  explicit LeftRecursion(const Grammar &grammar)
      : grammar(grammar), mayBeNothing(grammar.rules.size()), colors(grammar.rules.size(), Color::New) {}

  absl::Status check() {
    for (bool changed = true; changed;) {
      changed = false;
      for (size_t rule = 0; rule < grammar.rules.size(); ++rule)
        if (!mayBeNothing[rule] && isNothing(grammar.rules[rule].body))
          changed = mayBeNothing[rule] = true;
    }
    for (size_t rule = 0; rule < grammar.rules.size(); ++rule)
      if (absl::Status status = visit(rule); !status.ok())
        return status;
    return absl::OkStatus();
  }

private:
  enum class Color { New, Open, Done };

  bool isNothing(const Expression &expression) const {
    const auto part = [this](const Expression &each) { return isNothing(each); };
    switch (expression.kind) {
    case Expression::Kind::Characters:
      return false;
    case Expression::Kind::Rule:
      return mayBeNothing[expression.rule];
    case Expression::Kind::Sequence:
      return absl::c_all_of(expression.parts, part);
    case Expression::Kind::Choice:
      return absl::c_any_of(expression.parts, part);
    case Expression::Kind::Repeat:
      return expression.least == 0 || part(expression.parts.front());
    }
    return false;
  }

  /// Adds the rules that `expression` may begin with.
  void addFirst(const Expression &expression, std::vector<size_t> &rules) const {
    if (expression.kind == Expression::Kind::Rule)
      rules.push_back(expression.rule);
    for (const Expression &part : expression.parts) {
      addFirst(part, rules);
      if (expression.kind == Expression::Kind::Sequence && !isNothing(part))
        break;
    }
  }

  /// Depth first, without recursion: chains of rules may be long.
  absl::Status visit(size_t root) {
    std::vector<std::pair<size_t, std::vector<size_t>>>
        open; // rules, with those that are to be visited of each
    const auto enter = [&](size_t rule) {
      colors[rule] = Color::Open;
      open.push_back({rule, {}});
      addFirst(grammar.rules[rule].body, open.back().second);
    };
    if (colors[root] == Color::New)
      enter(root);
    while (!open.empty()) {
      auto &[rule, left] = open.back();
      if (left.empty()) {
        colors[rule] = Color::Done;
        open.pop_back();
        continue;
      }
      const size_t next = left.back();
      left.pop_back();
      if (colors[next] == Color::Open)
        return absl::InvalidArgumentError(absl::StrCat(
            grammar.rules[next].place, ": the rule ", io::quote(grammar.rules[next].name),
            " begins with itself (left recursion), expected one that begins with something else"));
      if (colors[next] == Color::New)
        enter(next);
    }
    return absl::OkStatus();
  }

  const Grammar &grammar;
  std::vector<bool> mayBeNothing; ///< by rule
  std::vector<Color> colors;      ///< by rule
};

/// Makes nodes from the end of each rule to its start.
class NetworkBuilder {
public:
  explicit NetworkBuilder(const Grammar &grammar) : grammar(grammar) {}

  absl::StatusOr<ByteNetwork> build() {
    for (size_t rule = 0; rule < grammar.rules.size(); ++rule)
      starts.push_back(add({Node::Kind::Split})); // to where the rule starts, which is not known yet
    const int32_t end = add({Node::Kind::End});
    for (size_t rule = 0; rule < grammar.rules.size(); ++rule) {
      const int32_t start = before(end, grammar.rules[rule].body);
      network.nodes[starts[rule]].next = network.nodes[starts[rule]].other = start;
      if (network.nodes.size() > kMostNodes)
        return absl::InvalidArgumentError(
            absl::StrCat(grammar.rules[rule].place, ": the rule ", io::quote(grammar.rules[rule].name),
                         " repeats too much, expected fewer or shorter repetitions"));
    }
    network.start = starts[grammar.root];
    return std::move(network);
  }

private:
  int32_t add(Node node) {
    network.nodes.push_back(node);
    return static_cast<int32_t>(network.nodes.size()) - 1;
  }

  int32_t split(int32_t next, int32_t other) { return add({Node::Kind::Split, 0, 0, next, other}); }

  /// The node from which `expression` leads to `next`.
  int32_t before(int32_t next, const Expression &expression) {
    if (network.nodes.size() > kMostNodes)
      return next; // too many already, which build() says
    switch (expression.kind) {
    case Expression::Kind::Characters:
      return beforeCharacters(next, expression.characters);
    case Expression::Kind::Rule:
      return add({Node::Kind::Call, 0, 0, next, starts[expression.rule]});
    case Expression::Kind::Sequence:
      for (size_t part = expression.parts.size(); part-- > 0;)
        next = before(next, expression.parts[part]);
      return next;
    case Expression::Kind::Choice: {
      int32_t result = before(next, expression.parts.back());
      for (size_t part = expression.parts.size() - 1; part-- > 0;)
        result = split(before(next, expression.parts[part]), result);
      return result;
    }
    case Expression::Kind::Repeat:
      return beforeRepeat(next, expression);
    }
    return next;
  }

  int32_t beforeRepeat(int32_t next, const Expression &repeat) {
    const Expression &part = repeat.parts.front();
    int32_t result = next;
    if (repeat.most == Expression::kUnbounded) {
      result = split(-1, next);
      const int32_t once = before(result, part);
      network.nodes[result].next = once;
    } else {
      // Each may be the last.
      for (int64_t count = repeat.least; count < repeat.most && network.nodes.size() <= kMostNodes; ++count)
        result = split(before(result, part), next);
    }
    for (int64_t count = 0; count < repeat.least && network.nodes.size() <= kMostNodes; ++count) {
      const int32_t again = before(result, part);
      if (again == result)
        break; // nothing, however often
      result = again;
    }
    return result;
  }

  int32_t beforeCharacters(int32_t next, const std::vector<CodePointRange> &ranges) {
    int32_t result = -1;
    for (const CodePointRange &range : ranges)
      for (const std::vector<ByteRange> &sequence : utf8Sequences(range)) {
        int32_t node = next;
        for (size_t byte = sequence.size(); byte-- > 0;)
          node = add({Node::Kind::Bytes, sequence[byte].first, sequence[byte].last, node});
        result = result < 0 ? node : split(node, result);
      }
    return result;
  }

  const Grammar &grammar;
  ByteNetwork network;
  std::vector<int32_t> starts; ///< by rule
};

} // namespace

absl::StatusOr<ByteNetwork> makeNetwork(const Grammar &grammar) {
  if (absl::Status status = LeftRecursion(grammar).check(); !status.ok())
    return status;
  return NetworkBuilder(grammar).build();
}

} // namespace llmc::grammar
