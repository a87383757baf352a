//===- VerifyCompiled.cpp - holds compiled code against the reference semantics ------------------------===//

#include "codegen/verify/VerifyCompiled.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "codegen/verify/ChildRun.h"
#include "codegen/verify/LoadedProgram.h"
#include "dialects/nn/reference/ForwardPass.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Pass/Pass.h"
#include "passes/verify/ArgumentUse.h"
#include "passes/verify/RandomInputs.h"
#include "passes/verify/VerifyNumerics.h"
#include <cmath>
#include <limits>

using namespace mlir;

namespace llmc::codegen {

//===----------------------------------------------------------------------===//
// Bounds
//===----------------------------------------------------------------------===//

bool LoweringBounds::add(const Pass &pass) {
  std::optional<NumericBound> bound = findNumericBound(pass);
  if (!bound)
    return false;
  switch (bound->kind) {
  case NumericBound::Kind::Exact:
    return true;
  case NumericBound::Kind::Ulps:
    limits[pass.getArgument().str()] = bound->limit * std::numeric_limits<float>::epsilon();
    return true;
  case NumericBound::Kind::Relative:
    limits[pass.getArgument().str()] = bound->limit;
    return true;
  case NumericBound::Kind::Absolute:
  case NumericBound::Kind::ChangesInterface:
    return false;
  }
  llvm_unreachable("unknown kind of bound");
}

namespace {
class BoundCounter : public PassInstrumentation {
public:
  explicit BoundCounter(LoweringBounds &bounds) : bounds(bounds) {}
  void runBeforePass(Pass *pass, Operation *op) override {
    if (pass->getName().ends_with("OpToOpPassAdaptor") || bounds.add(*pass))
      return;
    emitError(op->getLoc())
        << "pass '" << pass->getArgument()
        << "' declares no numeric bound that is relative to results, so it is not run under "
           "--verify-numerics";
    signalPassFailure(pass);
  }

private:
  LoweringBounds &bounds;
};
} // namespace

std::unique_ptr<PassInstrumentation> LoweringBounds::instrument() {
  return std::make_unique<BoundCounter>(*this);
}

double LoweringBounds::limit() const {
  double sum = 0;
  for (const auto &[pass, limit] : limits)
    sum += limit;
  return sum;
}

std::string LoweringBounds::describe() const {
  std::string names;
  for (const auto &[pass, limit] : limits)
    absl::StrAppend(&names, names.empty() ? "" : " and ", pass);
  return names;
}

//===----------------------------------------------------------------------===//
// What is run
//===----------------------------------------------------------------------===//

namespace {

constexpr uint64_t kSeed = 1;

/// Rows of the steps that each sequence is fed in, smallest first, so that a counterexample is small: a token
/// alone, a prompt that is continued, and one that is longer than a tile of any kernel.
constexpr std::initializer_list<std::initializer_list<int64_t>> kSequences = {{1}, {5, 1}, {17}};

/// Tokens of the source that a model reads before each of these, if it reads one.
constexpr int64_t kSources[] = {1, 19, 7};
constexpr llvm::StringLiteral kSourceStep = "source";

/// One step of a sequence.
struct Trial {
  std::string step;
  StepInputs inputs;
  bool startsSequence;
};

/// Ids that an argument marked `input` may have: those below this.
int64_t limitOf(func::FuncOp forward, StringRef input) {
  for (BlockArgument argument : forward.getArguments()) {
    auto mark = forward.getArgAttrOfType<StringAttr>(argument.getArgNumber(), "nn.input");
    if (mark && mark.getValue() == input)
      return findUse(argument).limit;
  }
  return 1;
}

std::vector<Trial> makeTrials(func::FuncOp forward, const LoadedProgram &program, const StepSizes &sizes) {
  const int64_t tokens = limitOf(forward, "tokens"),
                types = std::max(limitOf(forward, "token_types"), limitOf(forward, "adapters"));
  RandomNumbers numbers(kSeed, "tokens");
  std::vector<Trial> trials;
  for (auto [pieces, sourceSize] : llvm::zip_equal(kSequences, kSources)) {
    int64_t position = 0, source = 0;
    if (program.has(kSourceStep)) {
      source = std::min(sourceSize, sizes.context);
      Trial trial{kSourceStep.str(), {}, /*startsSequence=*/true};
      for (int64_t row = 0; row < source; ++row)
        trial.inputs.tokens.push_back(static_cast<int32_t>(numbers.below(tokens)));
      trial.inputs.tokenTypes.assign(source, 0);
      trials.push_back(std::move(trial));
    }
    for (int64_t piece : pieces) {
      const bool isNext = position > 0, isDecode = piece == 1 && program.has("decode");
      const int64_t rows = std::min({piece, sizes.maxRows, sizes.context - position});
      if (rows < 1 || (isNext && !program.has("decode"))) // an encoder takes a text as a whole
        break;
      Trial trial{isDecode ? "decode" : "prefill", {}, !isNext && source == 0};
      for (int64_t row = 0; row < rows; ++row) {
        trial.inputs.tokens.push_back(static_cast<int32_t>(numbers.below(tokens)));
        trial.inputs.tokenTypes.push_back(
            static_cast<int32_t>(source > 0 ? source - 1 : numbers.below(types)));
      }
      trial.inputs.firstPosition = position;
      trial.inputs.outputIds = countFrom(0, rows);
      trials.push_back(std::move(trial));
      position += rows;
    }
  }
  return trials;
}

/// "step 'decode' (1 row from position 5)".
std::string describe(const Trial &trial) {
  const size_t rows = trial.inputs.tokens.size();
  return absl::StrCat("step '", trial.step, "' (", rows, rows == 1 ? " row" : " rows", " from position ",
                      trial.inputs.firstPosition, ")");
}

/// The outputs of all trials one after the other, by the compiled code, which may crash.
absl::StatusOr<std::vector<float>> runCompiled(const LoadedProgram &program, ArrayRef<Trial> trials) {
  size_t elements = 0;
  for (const Trial &trial : trials)
    elements += trial.inputs.outputIds.size() * program.width();
  return runInChild(elements, [&](ChildRun &run) {
    absl::StatusOr<std::unique_ptr<runtime::Team>> team = runtime::Team::create();
    if (!team.ok())
      return team.status();
    std::unique_ptr<GuardedMemory> cache;
    for (const Trial &trial : trials) {
      if (trial.startsSequence)
        cache = program.makeCache();
      run.begin(describe(trial));
      absl::StatusOr<std::vector<float>> outputs = program.run(trial.step, trial.inputs, *cache, **team);
      if (!outputs.ok())
        return outputs.status();
      run.append(*outputs);
    }
    return absl::OkStatus();
  });
}

/// The same by the reference semantics.
template <typename T>
absl::StatusOr<std::vector<T>> runReference(ModuleOp fused, nn::ParameterSource &parameters,
                                            ArrayRef<Trial> trials) {
  std::string error;
  ScopedDiagnosticHandler handler(fused.getContext(), [&](Diagnostic &diagnostic) {
    if (error.empty())
      error = diagnostic.str();
    return success();
  });
  nn::reference::ForwardPass<T> forward(fused, &parameters);
  std::vector<T> outputs;
  for (const Trial &trial : trials) {
    if (trial.startsSequence)
      forward.reset();
    if (trial.step == kSourceStep) {
      if (failed(forward.readSource(trial.inputs.tokens)))
        return absl::UnavailableError(error);
      continue;
    }
    auto output = forward.feed({trial.inputs.tokens, trial.inputs.tokenTypes, trial.inputs.outputIds});
    if (failed(output))
      return absl::UnavailableError(error);
    llvm::append_range(outputs, output->values);
  }
  return outputs;
}

//===----------------------------------------------------------------------===//
// Comparison
//===----------------------------------------------------------------------===//

/// Errors of the size of a rounding grow on their way through a program: by as much in compiled code as in
/// the reference semantics, whose results in f32 are compared with those in f64. The largest of them differ
/// by less than this factor.
constexpr double kUnlucky = 4;

/// What the outputs of one step are compared with.
struct Expectation {
  ArrayRef<double> exact;
  ArrayRef<float> rounded;

  double largest() const {
    double most = 0;
    for (double value : exact)
      most = std::max(most, std::fabs(value));
    return most;
  }
  double growth() const {
    double most = 0;
    for (auto [a, b] : llvm::zip_equal(exact, rounded))
      most = std::max(most, std::fabs(a - b));
    return most;
  }
};

/// Describes the first element of `found` that lies further off than `limit` allows; empty if none does.
std::string findDeparture(ArrayRef<float> found, const Expectation &expected, double limit, int64_t width) {
  const double largest = expected.largest();
  const double allowed = limit * largest + kUnlucky * expected.growth();
  for (auto [i, pair] : llvm::enumerate(llvm::zip_equal(found, expected.exact))) {
    auto [is, wanted] = pair;
    if (std::fabs(is - wanted) <= allowed || (std::isnan(is) && std::isnan(wanted)))
      continue;
    return absl::StrFormat(
        "row %d, column %d is %.9g, expected %.9g within %.2g; the largest magnitude is %.6g", i / width,
        i % width, is, wanted, allowed, largest);
  }
  return "";
}

} // namespace

absl::Status verifyCompiled(ModuleOp fused, ModuleOp lowered, const std::string &sharedObject,
                            const StepSizes &sizes, const LoweringBounds &bounds) {
  auto forward = fused.lookupSymbol<func::FuncOp>("forward");
  if (!forward)
    return absl::UnavailableError("the program has no function @forward");
  RandomParameters parameters(kSeed);
  absl::StatusOr<std::unique_ptr<LoadedProgram>> program =
      LoadedProgram::load(lowered, sharedObject, parameters);
  if (!program.ok())
    return absl::UnavailableError(program.status().message());
  const std::vector<Trial> trials = makeTrials(forward, **program, sizes);
  absl::StatusOr<std::vector<double>> exact = runReference<double>(fused, parameters, trials);
  absl::StatusOr<std::vector<float>> rounded = runReference<float>(fused, parameters, trials);
  if (!exact.ok() || !rounded.ok())
    return exact.ok() ? rounded.status() : exact.status();
  absl::StatusOr<std::vector<float>> found = runCompiled(**program, trials);
  if (!found.ok())
    return found.status();
  if (found->size() != exact->size())
    return absl::AbortedError(
        absl::StrCat("the compiled code makes ", found->size(), " numbers, expected ", exact->size()));
  size_t at = 0;
  for (const Trial &trial : trials) {
    const size_t count = trial.inputs.outputIds.size() * (*program)->width();
    std::string departure =
        findDeparture(ArrayRef(*found).slice(at, count),
                      {ArrayRef(*exact).slice(at, count), ArrayRef(*rounded).slice(at, count)},
                      bounds.limit(), (*program)->width());
    if (!departure.empty())
      return absl::AbortedError(absl::StrFormat(
          "the code below nn breaks its bound (within %.3g of the largest magnitude, by %s): in %s, %s",
          bounds.limit(), bounds.describe(), describe(trial), departure));
    at += count;
  }
  return absl::OkStatus();
}

} // namespace llmc::codegen
