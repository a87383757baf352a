//===- VerifyNumerics.cpp - holds every pass to its numeric bound --------------------------------------===//

#include "passes/verify/VerifyNumerics.h"
#include "dialects/nn/NN.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Pass/PassInstrumentation.h"
#include "mlir/Pass/PassManager.h"
#include "passes/verify/CacheSteps.h"
#include "passes/verify/Compare.h"
#include "passes/verify/Execution.h"
#include "llvm/Support/FormatVariadic.h"
#include <numeric>

using namespace mlir;
using namespace llmc;

namespace {

/// A relative or absolute bound may be passed in single precision by this factor if double precision shows
/// that rounding alone is the cause.
constexpr double kRoundingSlack = 16;

/// Longest window of attention that is tried by steps with more rows than it.
constexpr int64_t kLongestWindow = 64;

std::string nameOf(const Pass &pass) {
  return pass.getArgument().empty() ? pass.getName().str() : pass.getArgument().str();
}

ModuleOp moduleOf(Operation *op) {
  while (Operation *parent = op->getParentOp())
    op = parent;
  return dyn_cast<ModuleOp>(op);
}

/// Adds a step that is longer than the windows of attention, so that one that is off by one shows.
SmallVector<StepSizes> extendSteps(ModuleOp module, SmallVector<StepSizes> steps) {
  int64_t window = 0;
  module.walk([&](nn::AttentionOp op) {
    if (op.getWindow() && static_cast<int64_t>(*op.getWindow()) <= kLongestWindow)
      window = std::max<int64_t>(window, *op.getWindow());
  });
  if (llvm::none_of(steps, [&](const StepSizes &sizes) { return sizes.rows > window; }))
    steps.push_back({window + 2, 0, steps.back().seed + 1});
  return steps;
}

/// Describes the first execution of which `before` and `after` differ by more than `bound`; empty if there is
/// none. `spacing` is that of describeDeparture().
template <typename T>
std::string compareExecutions(ArrayRef<Execution<T>> before, ArrayRef<Execution<T>> after,
                              const NumericBound &bound, double spacing = 0) {
  for (auto [was, is] : llvm::zip_equal(before, after)) {
    if (!was.results)
      continue;
    std::string inputs = " (" + describe(was.sizes) + ")";
    if (!is.results)
      return "in @" + was.function + ", evaluation fails after it: " + is.error + inputs;
    for (auto [i, type] : llvm::enumerate(was.type.getResults())) {
      std::string departure = describeDeparture<T>(type, (*was.results)[i], (*is.results)[i], bound, spacing);
      if (!departure.empty())
        return llvm::formatv("in @{0}, result {1}: {2}{3}", was.function, i, departure, inputs);
    }
  }
  return "";
}

bool isApproximate(const NumericBound &bound) {
  return bound.kind == NumericBound::Kind::Ulps || bound.kind == NumericBound::Kind::Relative ||
         bound.kind == NumericBound::Kind::Absolute;
}

/// The functions of `before` that `after` has too, of the same type and with something to compare.
SmallVector<func::FuncOp> findComparable(ModuleOp before, ModuleOp after) {
  SmallVector<func::FuncOp> comparable;
  for (auto was : before.getOps<func::FuncOp>()) {
    auto is = after.lookupSymbol<func::FuncOp>(was.getName());
    if (is && was.getFunctionType() == is.getFunctionType() && was.getNumResults() > 0 && !was.isExternal() &&
        !is.isExternal() && !findUninterpretable(was) && !findUninterpretable(is))
      comparable.push_back(was);
  }
  return comparable;
}

/// Compares each of `functions` in `before` with its namesake in `after`, by itself: what both call comes
/// from `before`. Roundings that `after` adds are its own fault.
template <typename T>
std::string compareFunctions(ModuleOp before, ModuleOp after, ArrayRef<func::FuncOp> functions,
                             ArrayRef<StepSizes> steps, nn::ParameterSource &parameters,
                             const NumericBound &bound) {
  std::vector<Execution<T>> was = execute<T>(before, functions, parameters, steps);
  AnsweredCalls calls{before, {}};
  for (func::FuncOp function : functions)
    calls.functions.insert(function.getName());
  // What could not be compared is judged with those that call it.
  for (const Execution<T> &execution : was)
    if (!execution.results)
      calls.functions.erase(execution.function);
  std::vector<Execution<T>> is = executeAgain<T>(after, parameters, was, calls);
  return compareExecutions<T>(was, is, bound, findSpacing(before));
}

/// Whether `after` is a function of type `before` with caches as further arguments and results, and positions
/// as further arguments.
bool addsCaches(FunctionType before, func::FuncOp after) {
  auto extends = [](TypeRange few, TypeRange many) {
    return few.size() <= many.size() && many.take_front(few.size()) == few;
  };
  auto isAddition = [&](BlockArgument argument) {
    auto input = after.getArgAttrOfType<StringAttr>(argument.getArgNumber(), "nn.input");
    return isa<nn::KvCacheType>(argument.getType()) || (input && input.getValue() == "positions");
  };
  return extends(before.getInputs(), after.getArgumentTypes()) &&
         extends(before.getResults(), after.getResultTypes()) &&
         llvm::all_of(after.getArguments().drop_front(before.getNumInputs()), isAddition) &&
         llvm::all_of(after.getResultTypes().drop_front(before.getNumResults()),
                      llvm::IsaPred<nn::KvCacheType>);
}

/// The value of an added argument at the start of a sequence.
nn::reference::RuntimeValue<float> emptyCacheOrPositions(Type type, int64_t rows) {
  if (auto cache = dyn_cast<nn::KvCacheType>(type))
    return nn::reference::KvCache<float>{cache.getHeads(), cache.getHeadDim(), {}};
  nn::reference::IntegerTensor positions({rows});
  std::iota(positions.values.begin(), positions.values.end(), 0);
  return positions;
}

class NumericsVerifier : public PassInstrumentation {
public:
  explicit NumericsVerifier(VerifyNumericsOptions options)
      : options(std::move(options)), parameters(this->options.parameterSeed) {}

  void runBeforePass(Pass *pass, Operation *op) override;
  void runAfterPass(Pass *pass, Operation *op) override;
  void runAfterPassFailed(Pass *pass, Operation *op) override {
    if (!isAdaptor(*pass))
      --running;
  }

private:
  /// The pass that runs passes on nested operations.
  static bool isAdaptor(const Pass &pass) { return pass.getName().ends_with("OpToOpPassAdaptor"); }
  void report(Pass *pass, Location loc, const Twine &message);
  /// The public functions of `module` that can be interpreted. Says once of each other since when it can not.
  SmallVector<func::FuncOp> findFunctions(ModuleOp module, const Twine &when);
  /// Says once why a function could not be run.
  void reportFailures(ModuleOp module);
  /// What the pass did wrong to `module`, or an empty string.
  std::string judge(ModuleOp module);
  std::string judgeInterface(ModuleOp module);
  /// The same for a pass that may change no bit, by public functions. Updates `executions`.
  std::string judgeProgram(ModuleOp module);
  /// The same for a pass with an approximate bound, function by function.
  std::string judgeFunctions(ModuleOp module);
  /// The same for a pass that changes the interface.
  std::string judgeCaches(ModuleOp module);

  VerifyNumericsOptions options;
  RandomParameters parameters;
  bool isOver = false; ///< a pass departed
  bool lowers = false; ///< the pass made functions that cannot be interpreted
  int running = 0;     ///< passes in progress, those that a pass itself runs included
  NumericBound bound;  ///< of the outermost of these
  /// What the module computed when it had this fingerprint.
  std::optional<OperationFingerPrint> fingerprint;
  std::vector<Execution<float>> executions;
  OwningOpRef<ModuleOp> original;        ///< the module before a pass with an approximate bound
  std::set<std::string> uninterpretable; ///< functions of which this has been said
  std::set<std::string> failing; ///< functions that could be interpreted but failed, which has been said
};

void NumericsVerifier::report(Pass *pass, Location loc, const Twine &message) {
  emitError(loc) << "pass '" << nameOf(*pass) << "' " << message;
  isOver = true;
  if (options.isUntrusted)
    *options.isUntrusted = true;
  signalPassFailure(pass);
}

SmallVector<func::FuncOp> NumericsVerifier::findFunctions(ModuleOp module, const Twine &when) {
  SmallVector<func::FuncOp> functions;
  for (auto function : module.getOps<FunctionOpInterface>()) {
    if (!function.isPublic() || function.isExternal())
      continue;
    auto upstream = dyn_cast<func::FuncOp>(*function);
    Operation *obstacle = upstream ? findUninterpretable(upstream) : function;
    if (!obstacle)
      functions.push_back(upstream);
    else if (uninterpretable.insert(function.getName().str()).second && options.saysWhatIsNotVerified)
      emitRemark(function.getLoc()) << "numerics of @" << function.getName() << " are not verified " << when
                                    << ": '" << obstacle->getName() << "' has no reference semantics";
  }
  return functions;
}

void NumericsVerifier::reportFailures(ModuleOp module) {
  for (const Execution<float> &execution : executions)
    if (!execution.results && options.saysWhatIsNotVerified && failing.insert(execution.function).second)
      emitWarning(module.lookupSymbol(execution.function)->getLoc())
          << "numerics of @" << execution.function << " are not verified on " << describe(execution.sizes)
          << ": " << execution.error;
}

void NumericsVerifier::runBeforePass(Pass *pass, Operation *op) {
  if (isAdaptor(*pass) || running++ > 0 || isOver)
    return;
  ModuleOp module = moduleOf(op);
  if (!module)
    return;
  SmallVector<func::FuncOp> functions = findFunctions(module, "from pass '" + nameOf(*pass) + "' on");
  std::optional<NumericBound> declared = findNumericBound(*pass);
  if (!declared && !functions.empty())
    return report(pass, module.getLoc(),
                  "declares no numeric bound, so it is not run under --verify-numerics");
  bound = declared.value_or(NumericBound::exact());
  if (!fingerprint || *fingerprint != OperationFingerPrint(module)) {
    executions = execute<float>(module, functions, parameters, extendSteps(module, options.steps));
    fingerprint.emplace(module);
    reportFailures(module);
  }
  original = isApproximate(bound) ? module.clone() : ModuleOp();
}

std::string NumericsVerifier::judgeInterface(ModuleOp module) {
  for (const Execution<float> &execution : executions) {
    auto function = module.lookupSymbol<FunctionOpInterface>(execution.function);
    if (!function && !lowers)
      return "@" + execution.function + " is gone";
    if (!function) // what it became is out of reach
      continue;
    auto upstream = dyn_cast<func::FuncOp>(*function);
    if (upstream && upstream.getFunctionType() != execution.type &&
        !uninterpretable.count(execution.function))
      return llvm::formatv("@{0} has type {1} before and {2} after", execution.function, execution.type,
                           upstream.getFunctionType());
  }
  return "";
}

std::string NumericsVerifier::judge(ModuleOp module) {
  std::string departure = judgeInterface(module);
  if (!departure.empty())
    return departure;
  return original ? judgeFunctions(module) : judgeProgram(module);
}

std::string NumericsVerifier::judgeProgram(ModuleOp module) {
  // What the pass lowered is out of reach.
  llvm::erase_if(executions, [&](const Execution<float> &execution) {
    return uninterpretable.count(execution.function) != 0 || !module.lookupSymbol(execution.function);
  });
  std::vector<Execution<float>> before = std::move(executions);
  executions = executeAgain<float>(module, parameters, before);
  return compareExecutions<float>(before, executions, bound);
}

std::string NumericsVerifier::judgeFunctions(ModuleOp module) {
  SmallVector<func::FuncOp> functions = findComparable(*original, module);
  SmallVector<StepSizes> steps = extendSteps(*original, options.steps);
  auto compare = [&]<typename T>(const NumericBound &limit) {
    return compareFunctions<T>(*original, module, functions, steps, parameters, limit);
  };
  std::string departure = compare.operator()<float>(bound);
  if (departure.empty() || bound.kind == NumericBound::Kind::Ulps)
    return departure;
  NumericBound loosened = bound;
  loosened.limit *= kRoundingSlack;
  if (!compare.operator()<float>(loosened).empty())
    return departure;
  return compare.operator()<double>(bound);
}

std::string NumericsVerifier::judgeCaches(ModuleOp module) {
  std::vector<Execution<float>> with, without;
  for (const Execution<float> &execution : executions) {
    auto function = module.lookupSymbol<func::FuncOp>(execution.function);
    if (!function || !addsCaches(execution.type, function))
      return "@" + execution.function +
             " takes or returns other things than before, beside caches at the end, so that its results "
             "cannot "
             "be compared";
    if (!execution.results)
      continue;
    without.push_back(execution);
    with.push_back(execution);
    for (Type type : function.getArgumentTypes().drop_front(execution.arguments.size()))
      with.back().arguments.push_back(emptyCacheOrPositions(type, execution.sizes.rows));
  }
  const NumericBound limit = NumericBound::relative(bound.limit, bound.reason);
  with = executeAgain<float>(module, parameters, with);
  std::string departure = compareExecutions<float>(without, with, limit);
  for (const Execution<float> &execution : with)
    if (departure.empty() && execution.results)
      departure = describeStepDeparture(module, parameters, execution, limit);
  return departure;
}

void NumericsVerifier::runAfterPass(Pass *pass, Operation *op) {
  if (isAdaptor(*pass) || --running > 0 || isOver)
    return;
  ModuleOp module = moduleOf(op);
  if (!module || (fingerprint && *fingerprint == OperationFingerPrint(module)))
    return;
  fingerprint.reset();
  if (executions.empty())
    return;
  const size_t known = uninterpretable.size();
  SmallVector<func::FuncOp> functions = findFunctions(module, "after pass '" + nameOf(*pass) + "'");
  lowers = uninterpretable.size() > known;
  const bool changesInterface = bound.kind == NumericBound::Kind::ChangesInterface;
  std::string departure = changesInterface ? judgeCaches(module) : judge(module);
  if (!departure.empty())
    return report(pass, module.getLoc(), "breaks its bound (" + describeBound(bound) + "): " + departure);
  if (changesInterface || original) // the next pass starts from other results
    return;
  // The next pass starts from these results, unless there are functions that they do not cover.
  bool coversAll = llvm::all_of(functions, [&](func::FuncOp function) {
    return llvm::any_of(executions,
                        [&](auto &execution) { return execution.function == function.getName(); });
  });
  if (coversAll)
    fingerprint.emplace(module);
}

} // namespace

void llmc::verifyNumerics(PassManager &manager, VerifyNumericsOptions options) {
  manager.getContext()->disableMultithreading();
  manager.addInstrumentation(std::make_unique<NumericsVerifier>(std::move(options)));
}
