//===- OptimizerFunctions.cpp - steps of optimizers as structured operations ---------------------------===//
//
// One operation for each parameter (of Muon and Adafactor several), whose results are all that changes of it:
// the parameter, what the optimizer keeps, and the gradient, which becomes zero.
//
//===----------------------------------------------------------------------------------------------------===//

#include "absl/strings/str_cat.h"
#include "dialects/nn/NN.h"
#include "frontend/recipe/Adafactor.h"
#include "frontend/recipe/Muon.h"
#include "frontend/recipe/TrainingGraph.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "train/Hyperparameters.h"
#include "llvm/Support/GlobPattern.h"
#include <cmath>

using namespace mlir;

namespace llmc::recipe {

using namespace train;

std::vector<std::string> stateNames(const train::Recipe &recipe) {
  const train::Optimizer &optimizer = recipe.optimizer();
  std::vector<std::string> names;
  if (optimizer.has_adamw() || optimizer.has_muon())
    names = {"exp_avg", "exp_avg_sq"};
  else if (optimizer.has_lion())
    names = {"exp_avg"};
  else if (optimizer.has_adafactor())
    names = {kRowSquaresSection, kColumnSquaresSection, kSquaresSection};
  else if (optimizer.sgd().momentum() > 0)
    names = {"momentum"};
  if (recipe.average() > 0)
    names.emplace_back(kAverageSection);
  return names;
}

namespace {

/// Arithmetic in the body of a structured operation.
struct Formula {
  ImplicitLocOpBuilder &b;
  Value add(Value x, Value y) { return arith::AddFOp::create(b, x, y); }
  Value sub(Value x, Value y) { return arith::SubFOp::create(b, x, y); }
  Value mul(Value x, Value y) { return arith::MulFOp::create(b, x, y); }
  Value div(Value x, Value y) { return arith::DivFOp::create(b, x, y); }
  Value root(Value x) { return math::SqrtOp::create(b, x); }
  Value number(double value) {
    return arith::ConstantOp::create(b, b.getF32FloatAttr(static_cast<float>(value)));
  }
  /// rate * x + (1 - rate) * y
  Value mix(Value rate, Value x, Value y) { return add(mul(rate, x), mul(sub(number(1), rate), y)); }
  Value sign(Value x) {
    Value zero = number(0);
    Value positive = arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, x, zero);
    Value negative = arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, x, zero);
    return arith::SelectOp::create(b, positive, number(1),
                                   Value(arith::SelectOp::create(b, negative, number(-1), zero)));
  }
};

/// The next values of a parameter and of what an optimizer keeps of it, from those of now, the gradient and
/// the hyperparameters.
SmallVector<Value> nextValues(const train::Optimizer &optimizer, Formula f, Value w, Value g,
                              ValueRange states, ArrayRef<Value> hyper) {
  g = f.mul(g, hyper[kGradientScale]);
  Value decay = f.mul(hyper[kWeightDecay], w);
  if (optimizer.has_adamw() || optimizer.has_muon()) { // Loshchilov and Hutter, 2019
    Value m = f.mix(hyper[kBeta1], states[0], g), v = f.mix(hyper[kBeta2], states[1], f.mul(g, g));
    Value root = f.add(f.root(f.mul(v, hyper[kCorrection2])), hyper[kEpsilon]);
    Value change = f.add(f.div(f.mul(m, hyper[kCorrection1]), root), decay);
    return {f.sub(w, f.mul(hyper[kLearningRate], change)), m, v};
  }
  if (optimizer.has_lion()) { // Chen et al., 2023
    Value change = f.add(f.sign(f.mix(hyper[kBeta1], states[0], g)), decay);
    return {f.sub(w, f.mul(hyper[kLearningRate], change)), f.mix(hyper[kBeta2], states[0], g)};
  }
  Value change = states.empty() ? g : f.add(f.mul(hyper[kBeta1], states[0]), g);
  SmallVector<Value> next = {f.sub(w, f.mul(hyper[kLearningRate], f.add(change, decay)))};
  if (!states.empty())
    next.push_back(change);
  return next;
}

class OptimizerBuilder {
public:
  OptimizerBuilder(ModuleOp module, const train::Recipe &recipe)
      : module(module), recipe(recipe), b(UnknownLoc::get(module.getContext()), module.getContext()) {
    for (auto param : module.getOps<nn::ParamOp>())
      if (!param->hasAttr(nn::kFrozenAttribute))
        params.push_back(param);
  }

  /// Finds the group of each parameter, if it has one.
  absl::Status findGroups() {
    std::vector<bool> hasAny(recipe.groups_size());
    for (int i = 0; i < recipe.groups_size(); ++i) {
      llvm::Expected<llvm::GlobPattern> pattern = llvm::GlobPattern::create(recipe.groups(i).parameters());
      if (!pattern)
        return absl::InvalidArgumentError(
            absl::StrCat("groups: '", recipe.groups(i).parameters(),
                         "' is no pattern: ", llvm::toString(pattern.takeError())));
      bool matches = false;
      for (nn::ParamOp param : params)
        if (pattern->match(param.getSymName())) {
          groups.try_emplace(param, &recipe.groups(i));
          matches = true;
        }
      if (!matches)
        return absl::InvalidArgumentError(absl::StrCat("groups: '", recipe.groups(i).parameters(),
                                                       "' matches no parameter that is trained"));
    }
    return absl::OkStatus();
  }

  void addUpdate() {
    if (recipe.optimizer().has_muon())
      hidden = hiddenMatrices(cast<func::FuncOp>(module.lookupSymbol("evaluate")));
    func::FuncOp function = begin("update");
    Value hyper = addArgument(function, RankedTensorType::get({kHyperparameters}, b.getF32Type()),
                              {b.getNamedAttr("nn.input", b.getStringAttr("hyper"))});
    const std::vector<std::string> names = stateNames(recipe);
    SmallVector<Value> results;
    SmallVector<DictionaryAttr> marks;
    for (nn::ParamOp param : params) {
      auto type = cast<RankedTensorType>(param.getType());
      auto symbol = FlatSymbolRefAttr::get(param.getSymNameAttr());
      Value gradient = addArgument(function, type, {b.getNamedAttr(nn::kGradientAttribute, symbol)});
      SmallVector<Value> inputs = {nn::LoadOp::create(b, type, param.getSymName()), gradient};
      marks.push_back(b.getDictionaryAttr(b.getNamedAttr(nn::kUpdateAttribute, symbol)));
      auto state = [&](StringRef name) {
        return SmallVector<NamedAttribute>{b.getNamedAttr(nn::kStateAttribute, b.getStringAttr(name)),
                                           b.getNamedAttr(nn::kStateOfAttribute, symbol)};
      };
      const bool isByMuon = hidden.contains(param.getSymName());
      for (const std::string &name : names) {
        if (isByMuon && name == "exp_avg_sq")
          continue;
        const std::optional<std::vector<int64_t>> shape = shapeIn(name, type.getShape().vec());
        if (!shape)
          continue;
        inputs.push_back(addArgument(function, type.clone(*shape), state(name)));
        marks.push_back(b.getDictionaryAttr(state(name)));
      }
      marks.push_back(b.getDictionaryAttr(state("gradients")));
      llvm::append_range(results, isByMuon ? updateByMuon(param, inputs, hyper)
                                  : recipe.optimizer().has_adafactor()
                                      ? updateByAdafactor(param, inputs, hyper)
                                      : update(param, inputs, hyper));
    }
    finish(function, results, marks);
  }

  /// Sums of squares, one for each row of a gradient: the trainer adds them up in double precision.
  void addNorms() {
    func::FuncOp function = begin("norms");
    SmallVector<Value> results;
    SmallVector<DictionaryAttr> marks;
    for (auto [index, param] : llvm::enumerate(params)) {
      auto type = cast<RankedTensorType>(param.getType());
      auto symbol = FlatSymbolRefAttr::get(param.getSymNameAttr());
      Value gradient = addArgument(function, type, {b.getNamedAttr(nn::kGradientAttribute, symbol)});
      if (type.getRank() == 1)
        gradient =
            tensor::ExpandShapeOp::create(b, RankedTensorType::get({1, type.getDimSize(0)}, b.getF32Type()),
                                          gradient, ArrayRef<ReassociationIndices>{{0, 1}});
      results.push_back(squares(gradient));
      marks.push_back(
          b.getDictionaryAttr(b.getNamedAttr("nn.output", b.getStringAttr("norm" + std::to_string(index)))));
    }
    finish(function, results, marks);
  }

private:
  func::FuncOp begin(StringRef name) {
    b.setInsertionPointToEnd(module.getBody());
    auto function = func::FuncOp::create(b, name, b.getFunctionType({}, {}));
    b.setInsertionPointToEnd(function.addEntryBlock());
    return function;
  }

  Value addArgument(func::FuncOp function, Type type, ArrayRef<NamedAttribute> attributes) {
    (void)function.insertArgument(function.getNumArguments(), type, b.getDictionaryAttr(attributes),
                                  b.getLoc());
    return function.front().getArguments().back();
  }

  void finish(func::FuncOp function, ValueRange results, ArrayRef<DictionaryAttr> marks) {
    func::ReturnOp::create(b, results);
    function.setFunctionType(b.getFunctionType(function.getArgumentTypes(), results.getTypes()));
    function.setAllResultAttrs(marks);
  }

  /// The hyperparameters of one parameter, of which `common` are those of all.
  SmallVector<Value> hyperOf(nn::ParamOp param, Formula f, ValueRange common) {
    SmallVector<Value> hyper(common);
    const train::ParameterGroup *group = groups.lookup(param);
    if (group && group->has_weight_decay())
      hyper[kWeightDecay] = f.number(group->weight_decay());
    else if (cast<RankedTensorType>(param.getType()).getRank() == 1) // norms and biases
      hyper[kWeightDecay] = f.number(0);
    if (group && group->has_learning_rate())
      hyper[kLearningRate] = f.mul(f.number(group->learning_rate()), hyper[kLearningRate]);
    return hyper;
  }

  using Body = function_ref<SmallVector<Value>(Formula, ValueRange inputs, ArrayRef<Value> hyper)>;

  /// An operation on each element of `inputs`, of the type of `param` or with one element for all, with
  /// `count` results of it.
  SmallVector<Value> mapElements(nn::ParamOp param, ArrayRef<Value> inputs, size_t count, Value hyper,
                                 Body map) {
    auto type = cast<RankedTensorType>(param.getType());
    const unsigned rank = type.getRank();
    const AffineMap identity = b.getMultiDimIdentityMap(rank);
    SmallVector<Value> operands(inputs);
    SmallVector<AffineMap> maps;
    for (Value input : inputs)
      maps.push_back(input.getType() == type ? identity
                                             : AffineMap::get(rank, 0, b.getAffineConstantExpr(0)));
    for (unsigned i = 0; i < kHyperparameters; ++i) {
      operands.push_back(hyper);
      maps.push_back(AffineMap::get(rank, 0, b.getAffineConstantExpr(i)));
    }
    Value empty = tensor::EmptyOp::create(b, type.getShape(), type.getElementType());
    SmallVector<Value> outputs(count, empty);
    maps.append(count, identity);
    auto generic = linalg::GenericOp::create(
        b, SmallVector<Type>(count, type), operands, outputs, maps,
        SmallVector<utils::IteratorType>(rank, utils::IteratorType::parallel),
        [&](OpBuilder &nested, Location loc, ValueRange arguments) {
          ImplicitLocOpBuilder body(loc, nested);
          Formula f{body};
          const ValueRange elements = arguments.take_front(inputs.size());
          linalg::YieldOp::create(
              body, map(f, elements, hyperOf(param, f, arguments.slice(inputs.size(), kHyperparameters))));
        });
    return llvm::to_vector(llvm::map_range(generic.getResults(), [](Value v) { return v; }));
  }

  /// The next average of a parameter whose next value is `next`.
  Value nextAverage(Formula f, Value average, Value next) {
    return f.add(average, f.mul(f.number(1 - recipe.average()), f.sub(next, average)));
  }

  /// From the parameter, its gradient, and its states to the parameter, its states and its gradient.
  SmallVector<Value> update(nn::ParamOp param, ArrayRef<Value> inputs, Value hyper) {
    const bool hasAverage = recipe.average() > 0;
    return mapElements(
        param, inputs, inputs.size(), hyper, [&](Formula f, ValueRange v, ArrayRef<Value> numbers) {
          SmallVector<Value> next = nextValues(recipe.optimizer(), f, v[0], v[1],
                                               v.drop_front(2).drop_back(hasAverage ? 1 : 0), numbers);
          if (hasAverage)
            next.push_back(nextAverage(f, v.back(), next[0]));
          next.push_back(f.number(0));
          return next;
        });
  }

  /// The same by Muon, of which the state is the momentum.
  SmallVector<Value> updateByMuon(nn::ParamOp param, ArrayRef<Value> inputs, Value hyper) {
    const double momentum = recipe.optimizer().muon().momentum();
    Value parameter = inputs[0], gradient = inputs[1];
    SmallVector<Value> moved = mapElements(
        param, {gradient, inputs[2]}, 3, hyper, [&](Formula f, ValueRange v, ArrayRef<Value> numbers) {
          Value rate = f.number(momentum), g = f.mul(v[0], numbers[kGradientScale]);
          Value next = f.mix(rate, v[1], g);
          return SmallVector<Value>{next, f.mix(rate, next, g), f.number(0)};
        });
    Value direction = orthogonalize(b, moved[1]);
    auto shape = cast<RankedTensorType>(param.getType()).getShape();
    const double length = 0.2 * std::sqrt(static_cast<double>(std::max(shape[0], shape[1])));
    SmallVector<Value> read = {parameter, direction};
    if (recipe.average() > 0)
      read.push_back(inputs.back());
    SmallVector<Value> next = mapElements(
        param, read, read.size() - 1, hyper, [&](Formula f, ValueRange v, ArrayRef<Value> numbers) {
          Value change = f.add(f.mul(f.number(length), v[1]), f.mul(numbers[kWeightDecay], v[0]));
          SmallVector<Value> values = {f.sub(v[0], f.mul(numbers[kLearningRate], change))};
          if (v.size() > 2)
            values.push_back(nextAverage(f, v[2], values[0]));
          return values;
        });
    SmallVector<Value> results = {next[0], moved[0]};
    results.append(next.begin() + 1, next.end());
    results.push_back(moved[2]);
    return results;
  }

  /// The same by Adafactor, of which states are mean squares.
  SmallVector<Value> updateByAdafactor(nn::ParamOp param, ArrayRef<Value> inputs, Value hyper) {
    const bool hasAverage = recipe.average() > 0;
    SmallVector<Value> scaled =
        mapElements(param, {inputs[1]}, 1, hyper, [](Formula f, ValueRange v, ArrayRef<Value> numbers) {
          return SmallVector<Value>{f.mul(v[0], numbers[kGradientScale])};
        });
    AdafactorStep step =
        buildAdafactorStep(b, recipe.optimizer().adafactor(), inputs[0], scaled[0],
                           inputs.drop_front(2).drop_back(hasAverage ? 1 : 0), hyper, kBeta2);
    SmallVector<Value> read = {inputs[0], step.direction, step.scale};
    if (hasAverage)
      read.push_back(inputs.back());
    // Gradients become zero here, behind all that read them.
    SmallVector<Value> next = mapElements(param, read, hasAverage ? 3 : 2, hyper,
                                          [&](Formula f, ValueRange v, ArrayRef<Value> numbers) {
                                            Value rate = f.mul(numbers[kLearningRate], v[2]);
                                            Value change = f.add(v[1], f.mul(numbers[kWeightDecay], v[0]));
                                            SmallVector<Value> values = {f.sub(v[0], f.mul(rate, change))};
                                            if (hasAverage)
                                              values.push_back(nextAverage(f, v[3], values[0]));
                                            values.push_back(f.number(0));
                                            return values;
                                          });
    SmallVector<Value> results = {next[0]};
    results.append(step.states);
    results.append(next.begin() + 1, next.end());
    return results;
  }

  Value squares(Value gradient) {
    auto type = cast<RankedTensorType>(gradient.getType());
    Value zero = arith::ConstantOp::create(b, b.getF32FloatAttr(0));
    Value empty = tensor::EmptyOp::create(b, ArrayRef<int64_t>{type.getDimSize(0)}, b.getF32Type());
    Value init = linalg::FillOp::create(b, ValueRange{zero}, ValueRange{empty}).getResult(0);
    SmallVector<AffineMap> maps = {b.getMultiDimIdentityMap(2),
                                   AffineMap::getMultiDimMapWithTargets(2, {0}, b.getContext())};
    return linalg::GenericOp::create(
               b, TypeRange{init.getType()}, ValueRange{gradient}, ValueRange{init}, maps,
               ArrayRef<utils::IteratorType>{utils::IteratorType::parallel, utils::IteratorType::reduction},
               [](OpBuilder &nested, Location loc, ValueRange arguments) {
                 ImplicitLocOpBuilder body(loc, nested);
                 Formula f{body};
                 linalg::YieldOp::create(body, f.add(arguments[1], f.mul(arguments[0], arguments[0])));
               })
        .getResult(0);
  }

  ModuleOp module;
  const train::Recipe &recipe;
  ImplicitLocOpBuilder b;
  SmallVector<nn::ParamOp> params;
  DenseMap<Operation *, const train::ParameterGroup *> groups;
  llvm::StringSet<> hidden; ///< matrices that Muon moves
};

} // namespace

absl::Status addOptimizerFunctions(ModuleOp module, const train::Recipe &recipe) {
  OptimizerBuilder builder(module, recipe);
  if (absl::Status status = builder.findGroups(); !status.ok())
    return status;
  builder.addNorms();
  builder.addUpdate();
  return absl::OkStatus();
}

} // namespace llmc::recipe
