//===- CacheSteps.cpp - whether caches serve the steps that follow -------------------------------------===//

#include "passes/verify/CacheSteps.h"
#include "dialects/nn/NN.h"
#include "passes/verify/ArgumentUse.h"
#include "passes/verify/Compare.h"
#include "llvm/Support/FormatVariadic.h"
#include <numeric>

using namespace mlir;
using namespace llmc;
using namespace llmc::nn::reference;

namespace {

using Value = RuntimeValue<float>;
using Values = SmallVector<Value>;

template <typename U> Tensor<U> rowsOf(const Tensor<U> &tensor, int64_t first, int64_t count) {
  SmallVector<int64_t, 2> shape = tensor.shape;
  shape.front() = count;
  return Tensor<U>(shape, std::vector<U>(tensor.row(first), tensor.row(first) + count * tensor.width()));
}

Value rowsOf(const Value &value, int64_t first, int64_t count) {
  if (const IntegerTensor *integers = value.getIntegers())
    return rowsOf(*integers, first, count);
  return rowsOf(*value.getTensor(), first, count);
}

/// The numbers first .. first + count - 1, as rows to select.
Value selection(int64_t first, int64_t count) {
  IntegerTensor rows({count});
  std::iota(rows.values.begin(), rows.values.end(), static_cast<int32_t>(first));
  return rows;
}

/// One function, fed in parts.
class Steps {
public:
  Steps(ModuleOp module, nn::ParameterSource &parameters, const Execution<float> &whole)
      : module(module), parameters(parameters), whole(whole),
        function(module.lookupSymbol<func::FuncOp>(whole.function)) {}

  std::string judge(const NumericBound &bound) {
    const int64_t rows = whole.sizes.rows, first = rows / 2, second = rows - first;
    if (first == 0 || !rowsCanBeToldApart())
      return "";
    std::optional<Values> start = run(0, first, emptyCaches(), 0, first);
    std::optional<Values> startAtOnce = run(0, rows, emptyCaches(), 0, first);
    std::optional<Values> endAtOnce = run(0, rows, emptyCaches(), first, second);
    if (!start || !startAtOnce || !endAtOnce ||
        !compare(*startAtOnce, *start, 0, first, bound).empty()) // earlier rows depend on later ones
      return "";
    Values caches;
    for (const Value &result : *start)
      if (result.getCache())
        caches.push_back(result);
    std::optional<Values> end = run(first, second, caches, 0, second);
    std::string inputs =
        llvm::formatv(" (rows {0} to {1} in a second step, seed {2})", first, rows - 1, whole.sizes.seed);
    if (!end)
      return "in @" + whole.function + ", a second step cannot be evaluated" + inputs;
    std::string departure = compare(*endAtOnce, *end, first, second, bound);
    return departure.empty() ? "" : "in @" + whole.function + ", " + departure + inputs;
  }

private:
  /// Whether each argument has the step's rows in its first dimension and nowhere else.
  bool rowsCanBeToldApart() {
    for (auto [type, value] : llvm::zip_equal(function.getArgumentTypes(), whole.arguments)) {
      auto tensor = dyn_cast<RankedTensorType>(type);
      if (!tensor || tensor.hasStaticShape())
        continue;
      if (llvm::any_of(tensor.getShape().drop_front(), ShapedType::isDynamic) ||
          sizeOf(value) != whole.sizes.rows)
        return false;
    }
    return true;
  }

  static int64_t sizeOf(const Value &value) {
    ArrayRef<int64_t> shape = value.getTensor() ? value.getTensor()->shape : value.getIntegers()->shape;
    return shape.empty() ? -1 : shape.front();
  }

  static size_t countCaches(TypeRange types) { return llvm::count_if(types, llvm::IsaPred<nn::KvCacheType>); }

  /// Caches that a step only reads come first.
  size_t numReadOnly() {
    return countCaches(function.getArgumentTypes()) - countCaches(function.getResultTypes());
  }

  Values emptyCaches() {
    Values caches;
    for (Type type : function.getArgumentTypes())
      if (auto cache = dyn_cast<nn::KvCacheType>(type))
        caches.push_back(KvCache<float>{cache.getHeads(), cache.getHeadDim(), {}});
    caches.erase(caches.begin(), caches.begin() + numReadOnly());
    return caches;
  }

  /// Runs rows first .. first + count - 1, of which those from `wanted` on, counted from `first`, are
  /// selected.
  std::optional<Values> run(int64_t first, int64_t count, const Values &caches, int64_t wanted,
                            int64_t wantedCount) {
    Execution<float> step = whole;
    size_t nextCache = 0, readOnly = numReadOnly();
    for (auto [argument, value] : llvm::zip_equal(function.getArguments(), step.arguments)) {
      auto tensor = dyn_cast<RankedTensorType>(argument.getType());
      if (!tensor && readOnly > 0)
        --readOnly;
      else if (!tensor)
        value = caches[nextCache++];
      else if (tensor.getRank() > 0 && tensor.isDynamicDim(0))
        value = findUse(argument).isRowIndex ? selection(wanted, wantedCount) : rowsOf(value, first, count);
    }
    step.results.emplace();
    return executeAgain<float>(module, parameters, {step}).front().results;
  }

  /// Compares the tensors of a step with those of all rows at once, of which they may be `count` from
  /// `first`.
  std::string compare(const Values &atOnce, const Values &inSteps, int64_t first, int64_t count,
                      const NumericBound &bound) {
    for (auto [i, type] : llvm::enumerate(function.getResultTypes())) {
      auto tensor = dyn_cast<RankedTensorType>(type);
      if (!tensor || tensor.getRank() == 0 || !tensor.isDynamicDim(0))
        continue;
      const bool isSelected = sizeOf(atOnce[i]) == count;
      Value expected = isSelected ? atOnce[i] : rowsOf(atOnce[i], first, count);
      std::string departure = describeDeparture<float>(type, expected, inSteps[i], bound);
      if (!departure.empty())
        return llvm::formatv("result {0}: {1}", i, departure);
    }
    return "";
  }

  ModuleOp module;
  nn::ParameterSource &parameters;
  const Execution<float> &whole;
  func::FuncOp function;
};

} // namespace

std::string llmc::describeStepDeparture(ModuleOp module, nn::ParameterSource &parameters,
                                        const Execution<float> &whole, const NumericBound &bound) {
  return Steps(module, parameters, whole).judge(bound);
}
