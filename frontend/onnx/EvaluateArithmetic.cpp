// Operators that compute with elements one by one, or over an axis.

#include "frontend/onnx/Operators.h"

#include <cmath>
#include <limits>
#include <numeric>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"

namespace llmc::onnx {

namespace {

using Kind = Array::Kind;
using Results = absl::StatusOr<std::vector<Array>>;

Results one(Array array) {
  std::vector<Array> results;
  results.push_back(std::move(array));
  return results;
}

template <typename Function> Results unary(const Array &operand, Function function) {
  Array result{operand.kind, operand.shape, operand.values};
  for (double &value : result.values)
    value = function(value);
  return one(std::move(result));
}

/// Element by element; the result is of `kind`, or of the operands'.
template <typename Function>
Results binary(const Array &a, const Array &b, Function function, std::optional<Kind> kind = {}) {
  absl::StatusOr<std::vector<int64_t>> shape = broadcastShapes(a.shape, b.shape);
  if (!shape.ok())
    return shape.status();
  absl::StatusOr<Array> x = broadcastTo(a, *shape), y = broadcastTo(b, *shape);
  if (!x.ok() || !y.ok())
    return x.ok() ? y.status() : x.status();
  for (size_t i = 0; i < x->values.size(); ++i)
    x->values[i] = function(x->values[i], y->values[i]);
  if (kind)
    x->kind = *kind;
  return one(*std::move(x));
}

// One evaluator for each function of one or two numbers, which is a constant expression without state.
template <auto function> Results evaluateUnary(const Node &, Operands operands) {
  return unary(*operands[0], function);
}
template <auto function> Results evaluateBinary(const Node &, Operands operands) {
  return binary(*operands[0], *operands[1], function);
}
template <auto function> Results evaluateComparison(const Node &, Operands operands) {
  return binary(*operands[0], *operands[1], function, Kind::Boolean);
}
template <auto function> Results evaluateTest(const Node &, Operands operands) {
  Results result = unary(*operands[0], function);
  result->front().kind = Kind::Boolean;
  return result;
}

Results evaluateDivide(const Node &, Operands operands) {
  if (operands[0]->kind == Kind::Real)
    return binary(*operands[0], *operands[1], [](double a, double b) { return a / b; });
  if (absl::c_linear_search(operands[1]->values, 0))
    return absl::InvalidArgumentError("divides an integer by zero");
  return binary(*operands[0], *operands[1], [](double a, double b) { return std::trunc(a / b); });
}

Results evaluateModulo(const Node &node, Operands operands) {
  const bool likeC = node.integerOr("fmod", 0) != 0;
  if (operands[0]->kind != Kind::Real && absl::c_linear_search(operands[1]->values, 0))
    return absl::InvalidArgumentError("divides an integer by zero");
  return binary(*operands[0], *operands[1],
                [likeC](double a, double b) { return likeC ? std::fmod(a, b) : a - std::floor(a / b) * b; });
}

/// An operator of any number of operands.
template <auto function> Results evaluateVariadic(const Node &, Operands operands) {
  Results result = one(*operands[0]);
  for (size_t i = 1; i < operands.size() && result.ok(); ++i)
    if (operands[i])
      result = binary(result->front(), *operands[i], function);
  return result;
}

Results evaluateClip(const Node &, Operands operands) {
  auto limit = [&](size_t index, double missing) {
    return index < operands.size() && operands[index] && !operands[index]->values.empty()
               ? operands[index]->values[0]
               : missing;
  };
  const double low = limit(1, -std::numeric_limits<double>::infinity());
  const double high = limit(2, std::numeric_limits<double>::infinity());
  return unary(*operands[0], [=](double value) { return std::min(std::max(value, low), high); });
}

Results evaluateCast(const Node &node, Operands operands) {
  absl::StatusOr<ElementType> type = elementTypeOf(static_cast<int>(node.integerOr("to", 0)));
  if (!type.ok())
    return type.status();
  const Kind kind = kindOf(*type);
  Results result = unary(*operands[0], [kind](double value) { return convert(value, kind); });
  result->front().kind = kind;
  return result;
}

Results evaluateCastLike(const Node &, Operands operands) {
  const Kind kind = operands[1]->kind;
  Results result = unary(*operands[0], [kind](double value) { return convert(value, kind); });
  result->front().kind = kind;
  return result;
}

Results evaluateWhere(const Node &, Operands operands) {
  absl::StatusOr<std::vector<int64_t>> shape = broadcastShapes(operands[1]->shape, operands[2]->shape);
  if (shape.ok())
    shape = broadcastShapes(*shape, operands[0]->shape);
  if (!shape.ok())
    return shape.status();
  absl::StatusOr<Array> condition = broadcastTo(*operands[0], *shape),
                        yes = broadcastTo(*operands[1], *shape), no = broadcastTo(*operands[2], *shape);
  for (const absl::StatusOr<Array> *array : {&condition, &yes, &no})
    if (!array->ok())
      return array->status();
  for (size_t i = 0; i < condition->values.size(); ++i)
    if (condition->values[i] == 0)
      yes->values[i] = no->values[i];
  return one(*std::move(yes));
}

/// Replaces runs along axes by one number each.
template <auto function> Results evaluateReduction(const Node &node, Operands operands) {
  const Array &x = *operands[0];
  const int64_t rank = static_cast<int64_t>(x.shape.size());
  std::optional<std::vector<int64_t>> axes = axesOf(node, operands, 1);
  if (!axes || axes->empty()) {
    if (node.integerOr("noop_with_empty_axes", 0) != 0)
      return one(x);
    axes.emplace(rank);
    absl::c_iota(*axes, 0);
  }
  std::vector<bool> isReduced(rank);
  for (int64_t axis : *axes) {
    absl::StatusOr<int64_t> checked = checkedAxis(axis, rank);
    if (!checked.ok())
      return checked.status();
    isReduced[*checked] = true;
  }
  std::vector<int64_t> kept = x.shape, dropped;
  for (int64_t i = 0; i < rank; ++i) {
    if (isReduced[i])
      kept[i] = 1;
    else
      dropped.push_back(x.shape[i]);
  }
  // Each result gathers its run, in order.
  absl::StatusOr<int64_t> count = elementsOf(kept);
  if (!count.ok())
    return count.status();
  std::vector<std::vector<double>> runs(*count);
  const std::vector<int64_t> strides = stridesOf(x.shape), target = stridesOf(kept);
  for (size_t index = 0; index < x.values.size(); ++index) {
    int64_t rest = static_cast<int64_t>(index), place = 0;
    for (int64_t i = 0; i < rank; ++i) {
      place += isReduced[i] ? 0 : rest / strides[i] * target[i];
      rest %= strides[i];
    }
    runs[place].push_back(x.values[index]);
  }
  Array result{x.kind, node.integerOr("keepdims", 1) != 0 ? kept : dropped, {}};
  for (const std::vector<double> &run : runs) {
    if (run.empty())
      return absl::InvalidArgumentError("reduces no elements");
    result.values.push_back(convert(function(run), x.kind));
  }
  return one(std::move(result));
}

double sumOf(const std::vector<double> &run) { return std::accumulate(run.begin(), run.end(), 0.0); }
double meanOf(const std::vector<double> &run) { return sumOf(run) / static_cast<double>(run.size()); }
double productOf(const std::vector<double> &run) {
  return std::accumulate(run.begin(), run.end(), 1.0, std::multiplies<>());
}
double largestOf(const std::vector<double> &run) { return *absl::c_max_element(run); }
double smallestOf(const std::vector<double> &run) { return *absl::c_min_element(run); }

Results evaluateCumSum(const Node &node, Operands operands) {
  if (node.integerOr("exclusive", 0) != 0 || node.integerOr("reverse", 0) != 0)
    return absl::UnimplementedError("is exclusive or reverse, which is not supported");
  Array result = *operands[0];
  if (operands[1]->values.empty())
    return absl::InvalidArgumentError("has no axis");
  absl::StatusOr<int64_t> axis =
      checkedAxis(operands[1]->integer(0), static_cast<int64_t>(result.shape.size()));
  if (!axis.ok())
    return axis.status();
  const int64_t stride = stridesOf(result.shape)[*axis], size = result.shape[*axis];
  for (size_t i = 0; i < result.values.size(); ++i)
    if (static_cast<int64_t>(i) / stride % size != 0)
      result.values[i] += result.values[i - stride];
  return one(std::move(result));
}

/// Products of matrices, of as many as the outer dimensions say.
Results evaluateMatMul(const Node &, Operands operands) {
  const Array &a = *operands[0], &b = *operands[1];
  if (a.shape.size() < 2 || b.shape.size() < 2)
    return absl::UnimplementedError("multiplies a vector, which is not supported on constants");
  const int64_t rows = a.shape[a.shape.size() - 2], inner = a.shape.back(), columns = b.shape.back();
  if (b.shape[b.shape.size() - 2] != inner)
    return absl::InvalidArgumentError(absl::StrCat("multiplies ", describeShape(a.shape), " by ",
                                                   describeShape(b.shape), ", which do not fit"));
  absl::StatusOr<std::vector<int64_t>> outer =
      broadcastShapes(absl::MakeConstSpan(a.shape).first(a.shape.size() - 2),
                      absl::MakeConstSpan(b.shape).first(b.shape.size() - 2));
  if (!outer.ok())
    return outer.status();
  auto extended = [&](int64_t first, int64_t second) {
    std::vector<int64_t> shape = *outer;
    shape.insert(shape.end(), {first, second});
    return shape;
  };
  absl::StatusOr<Array> x = broadcastTo(a, extended(rows, inner)),
                        y = broadcastTo(b, extended(inner, columns));
  absl::StatusOr<int64_t> count = elementsOf(extended(rows, columns));
  if (!x.ok() || !y.ok() || !count.ok())
    return !x.ok() ? x.status() : !y.ok() ? y.status() : count.status();
  if (*count > kMostElements || (inner > 0 && *count > kMostElements * 16 / inner))
    return absl::UnimplementedError("is too large a product of constants");
  Array result{a.kind, extended(rows, columns), std::vector<double>(*count, 0)};
  for (int64_t index = 0; index < *count; ++index) {
    const int64_t matrix = index / (rows * columns), row = index / columns % rows, column = index % columns;
    for (int64_t k = 0; k < inner; ++k)
      result.values[index] +=
          x->values[(matrix * rows + row) * inner + k] * y->values[(matrix * inner + k) * columns + column];
  }
  return one(std::move(result));
}

constexpr auto kAdd = [](double a, double b) { return a + b; };
constexpr auto kMultiply = [](double a, double b) { return a * b; };
constexpr auto kLargest = [](double a, double b) { return std::max(a, b); };
constexpr auto kSmallest = [](double a, double b) { return std::min(a, b); };
constexpr auto kIsFalse = [](double a) { return double(a == 0); };

constexpr Operator kOperators[] = {
    {"Add", 2, evaluateBinary<kAdd>},
    {"Sub", 2, evaluateBinary<[](double a, double b) { return a - b; }>},
    {"Mul", 2, evaluateBinary<kMultiply>},
    {"Div", 2, evaluateDivide},
    {"Mod", 2, evaluateModulo},
    {"Pow", 2, evaluateBinary<[](double a, double b) { return std::pow(a, b); }>},
    {"Max", 1, evaluateVariadic<kLargest>},
    {"Min", 1, evaluateVariadic<kSmallest>},
    {"Equal", 2, evaluateComparison<[](double a, double b) { return double(a == b); }>},
    {"Less", 2, evaluateComparison<[](double a, double b) { return double(a < b); }>},
    {"LessOrEqual", 2, evaluateComparison<[](double a, double b) { return double(a <= b); }>},
    {"Greater", 2, evaluateComparison<[](double a, double b) { return double(a > b); }>},
    {"GreaterOrEqual", 2, evaluateComparison<[](double a, double b) { return double(a >= b); }>},
    {"And", 2, evaluateComparison<[](double a, double b) { return double(a != 0 && b != 0); }>},
    {"Or", 2, evaluateComparison<[](double a, double b) { return double(a != 0 || b != 0); }>},
    {"Xor", 2, evaluateComparison<[](double a, double b) { return double((a != 0) != (b != 0)); }>},
    {"Not", 1, evaluateTest<kIsFalse>},
    {"IsNaN", 1, evaluateTest<[](double a) { return double(std::isnan(a)); }>},
    {"IsInf", 1, evaluateTest<[](double a) { return double(std::isinf(a)); }>},
    {"Neg", 1, evaluateUnary<[](double a) { return -a; }>},
    {"Abs", 1, evaluateUnary<[](double a) { return std::fabs(a); }>},
    {"Sign", 1, evaluateUnary<[](double a) { return double((a > 0) - (a < 0)); }>},
    {"Floor", 1, evaluateUnary<[](double a) { return std::floor(a); }>},
    {"Ceil", 1, evaluateUnary<[](double a) { return std::ceil(a); }>},
    {"Round", 1, evaluateUnary<[](double a) { return std::nearbyint(a); }>},
    {"Sqrt", 1, evaluateUnary<[](double a) { return std::sqrt(a); }>},
    {"Reciprocal", 1, evaluateUnary<[](double a) { return 1 / a; }>},
    {"Exp", 1, evaluateUnary<[](double a) { return std::exp(a); }>},
    {"Log", 1, evaluateUnary<[](double a) { return std::log(a); }>},
    {"Sin", 1, evaluateUnary<[](double a) { return std::sin(a); }>},
    {"Cos", 1, evaluateUnary<[](double a) { return std::cos(a); }>},
    {"Clip", 1, evaluateClip},
    {"Cast", 1, evaluateCast},
    {"CastLike", 2, evaluateCastLike},
    {"Where", 3, evaluateWhere},
    {"ReduceSum", 1, evaluateReduction<sumOf>},
    {"ReduceMean", 1, evaluateReduction<meanOf>},
    {"ReduceProd", 1, evaluateReduction<productOf>},
    {"ReduceMax", 1, evaluateReduction<largestOf>},
    {"ReduceMin", 1, evaluateReduction<smallestOf>},
    {"CumSum", 2, evaluateCumSum},
    {"MatMul", 2, evaluateMatMul},
};

} // namespace

absl::Span<const Operator> arithmeticOperators() { return kOperators; }

} // namespace llmc::onnx
