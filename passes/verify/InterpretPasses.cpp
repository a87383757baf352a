//===- InterpretPasses.cpp - passes that run a program by its reference semantics --------------------===//

#include "passes/verify/InterpretPasses.h"
#include "dialects/nn/reference/Interpreter.h"
#include "passes/verify/Compare.h"
#include "llvm/Support/Format.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::nn::reference;

namespace {

template <typename U> void printNumbers(llvm::raw_ostream &stream, ArrayRef<U> numbers) {
  stream << '[';
  llvm::interleaveComma(numbers, stream,
                        [&](U number) { stream << llvm::format("%.7g", static_cast<double>(number)); });
  stream << "]\n";
}

/// One row a line.
template <typename U> void printTensor(llvm::raw_ostream &stream, const Tensor<U> &tensor) {
  int64_t rowSize = tensor.shape.empty() ? 1 : tensor.shape.back();
  for (int64_t first = 0, size = tensor.values.size(); first < size; first += rowSize)
    printNumbers(stream, ArrayRef(tensor.values).slice(first, rowSize));
}

template <typename T> void printValue(llvm::raw_ostream &stream, const RuntimeValue<T> &value) {
  if (const Tensor<T> *tensor = value.getTensor())
    return printTensor(stream, *tensor);
  if (const IntegerTensor *integers = value.getIntegers())
    return printTensor(stream, *integers);
  for (const auto &[position, row] : value.getCache()->rows) {
    stream << "position " << position << " key ";
    printNumbers<T>(stream, row->key);
    stream << "position " << position << " value ";
    printNumbers<T>(stream, row->value);
  }
}

template <typename T> LogicalResult interpret(ModuleOp module, StringRef name) {
  Interpreter<T> interpreter(module, nullptr);
  auto results = interpreter.call(name, {});
  if (failed(results))
    return failure();
  auto function = cast<func::FuncOp>(interpreter.lookupSymbol(name));
  for (auto [i, result] : llvm::enumerate(*results)) {
    llvm::outs() << '@' << name << " result " << i << ": " << function.getResultTypes()[i] << '\n';
    printValue(llvm::outs(), result);
  }
  return success();
}

struct InterpretPass : PassWrapper<InterpretPass, OperationPass<ModuleOp>>, NumericallyBounded {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(InterpretPass)
  InterpretPass() = default;
  InterpretPass(const InterpretPass &other) : PassWrapper(other) {}

  StringRef getArgument() const override { return "nn-interpret"; }
  StringRef getDescription() const override {
    return "Evaluate a function by the reference semantics and print its results";
  }
  NumericBound getNumericBound() const override { return NumericBound::exact(); }

  void runOnOperation() override {
    LogicalResult done = precision == "f32" ? interpret<float>(getOperation(), function)
                         : precision == "f64"
                             ? interpret<double>(getOperation(), function)
                             : getOperation().emitError() << "precision is f32 or f64, not " << precision;
    if (failed(done))
      signalPassFailure();
    markAllAnalysesPreserved();
  }

  Option<std::string> function{*this, "function", llvm::cl::desc("Function to evaluate"),
                               llvm::cl::init("main")};
  Option<std::string> precision{*this, "precision", llvm::cl::desc("f32 or f64"), llvm::cl::init("f32")};
};

constexpr StringLiteral kExpectedSuffix = ".expected";

/// Compares the results of @name with those of @name.expected.
template <typename T>
LogicalResult checkExpected(ModuleOp module, func::FuncOp expectation, const NumericBound &bound) {
  StringRef name = expectation.getName().drop_back(kExpectedSuffix.size());
  Interpreter<T> interpreter(module, nullptr);
  auto expected = interpreter.call(expectation.getName(), {});
  auto computed = interpreter.call(name, {});
  if (failed(expected) || failed(computed))
    return failure();
  if (expected->size() != computed->size())
    return emitError(expectation.getLoc())
           << "expects " << expected->size() << " results, but there are " << computed->size();
  for (auto [i, pair] : llvm::enumerate(llvm::zip(*expected, *computed))) {
    auto &[wanted, found] = pair;
    std::string departure = describeDeparture<T>(expectation.getResultTypes()[i], wanted, found, bound);
    if (!departure.empty())
      return emitError(expectation.getLoc())
             << "result " << i << " of @" << name << ", by expectation and as computed: " << departure;
  }
  return success();
}

struct CheckExpectedPass : PassWrapper<CheckExpectedPass, OperationPass<ModuleOp>>, NumericallyBounded {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(CheckExpectedPass)
  CheckExpectedPass() = default;
  CheckExpectedPass(const CheckExpectedPass &other) : PassWrapper(other) {}

  StringRef getArgument() const override { return "nn-check-expected"; }
  StringRef getDescription() const override {
    return "Evaluate each function @f and compare its results with those of @f.expected";
  }
  NumericBound getNumericBound() const override { return NumericBound::exact(); }

  void runOnOperation() override {
    NumericBound bound =
        tolerance == 0 ? NumericBound::exact() : NumericBound::relative(tolerance, "tolerance");
    bool single = precision == "f32" || precision == "both",
         doubled = precision == "f64" || precision == "both";
    if (!single && !doubled) {
      emitError(getOperation().getLoc()) << "precision is f32, f64 or both, not " << precision;
      return signalPassFailure();
    }
    int checked = 0;
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      if (!function.getName().ends_with(kExpectedSuffix))
        continue;
      ++checked;
      if ((single && failed(checkExpected<float>(getOperation(), function, bound))) ||
          (doubled && failed(checkExpected<double>(getOperation(), function, bound))))
        signalPassFailure();
    }
    if (checked == 0) {
      emitError(getOperation().getLoc()) << "has no function whose name ends in " << kExpectedSuffix;
      signalPassFailure();
    }
    markAllAnalysesPreserved();
  }

  Option<double> tolerance{*this, "tolerance",
                           llvm::cl::desc("Largest difference, relative to the largest magnitude expected"),
                           llvm::cl::init(0.0)};
  Option<std::string> precision{*this, "precision", llvm::cl::desc("f32, f64 or both"),
                                llvm::cl::init("both")};
};

} // namespace

void llmc::registerInterpretPasses() {
  PassRegistration<InterpretPass>();
  PassRegistration<CheckExpectedPass>();
}
