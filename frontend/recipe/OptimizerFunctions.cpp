//===- OptimizerFunctions.cpp - steps of optimizers as structured operations ---------------------------===//
//
// One operation for each parameter, whose results are all that changes of it: the parameter, what the
// optimizer keeps, and the gradient, which becomes zero.
//
//===----------------------------------------------------------------------------------------------------===//

#include "dialects/nn/NN.h"
#include "frontend/recipe/TrainingGraph.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "train/Hyperparameters.h"

using namespace mlir;

namespace llmc::recipe {

using namespace train;

std::vector<std::string> stateNames(const train::Optimizer &optimizer) {
  if (optimizer.has_adamw())
    return {"exp_avg", "exp_avg_sq"};
  if (optimizer.has_lion())
    return {"exp_avg"};
  return optimizer.sgd().momentum() > 0 ? std::vector<std::string>{"momentum"} : std::vector<std::string>();
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

/// The next values of a parameter and its states, from those of now, the gradient and the hyperparameters.
SmallVector<Value> nextValues(const train::Optimizer &optimizer, Formula f, Value w, Value g,
                              ValueRange states, ValueRange hyper, bool decays) {
  g = f.mul(g, hyper[kGradientScale]);
  Value decay = decays ? f.mul(hyper[kWeightDecay], w) : f.number(0);
  if (optimizer.has_adamw()) { // Loshchilov and Hutter, 2019
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
  OptimizerBuilder(ModuleOp module, const train::Optimizer &optimizer)
      : module(module), optimizer(optimizer), b(UnknownLoc::get(module.getContext()), module.getContext()) {
    for (auto param : module.getOps<nn::ParamOp>())
      if (!param->hasAttr(nn::kFrozenAttribute))
        params.push_back(param);
  }

  void addUpdate() {
    func::FuncOp function = begin("update");
    Value hyper = addArgument(function, RankedTensorType::get({kHyperparameters}, b.getF32Type()),
                              {b.getNamedAttr("nn.input", b.getStringAttr("hyper"))});
    const std::vector<std::string> names = stateNames(optimizer);
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
      for (const std::string &name : names) {
        inputs.push_back(addArgument(function, type, state(name)));
        marks.push_back(b.getDictionaryAttr(state(name)));
      }
      marks.push_back(b.getDictionaryAttr(state("gradients")));
      llvm::append_range(results, update(type, inputs, hyper));
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

  SmallVector<Value> update(RankedTensorType type, ArrayRef<Value> inputs, Value hyper) {
    const unsigned rank = type.getRank();
    const AffineMap identity = b.getMultiDimIdentityMap(rank);
    SmallVector<Value> operands(inputs);
    SmallVector<AffineMap> maps(inputs.size(), identity);
    for (unsigned i = 0; i < kHyperparameters; ++i) {
      operands.push_back(hyper);
      maps.push_back(AffineMap::get(rank, 0, b.getAffineConstantExpr(i)));
    }
    // The parameter, its states and its gradient.
    const size_t count = inputs.size();
    Value empty = tensor::EmptyOp::create(b, type.getShape(), type.getElementType());
    SmallVector<Value> outputs(count, empty);
    maps.append(count, identity);
    auto generic = linalg::GenericOp::create(
        b, SmallVector<Type>(count, type), operands, outputs, maps,
        SmallVector<utils::IteratorType>(rank, utils::IteratorType::parallel),
        [&](OpBuilder &nested, Location loc, ValueRange arguments) {
          ImplicitLocOpBuilder body(loc, nested);
          SmallVector<Value> next =
              nextValues(optimizer, {body}, arguments[0], arguments[1], arguments.slice(2, count - 2),
                         arguments.slice(count, kHyperparameters), rank > 1);
          next.push_back(Formula{body}.number(0));
          linalg::YieldOp::create(body, next);
        });
    return llvm::to_vector(llvm::map_range(generic.getResults(), [](Value v) { return v; }));
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
  const train::Optimizer &optimizer;
  ImplicitLocOpBuilder b;
  SmallVector<nn::ParamOp> params;
};

} // namespace

void addOptimizerFunctions(ModuleOp module, const train::Optimizer &optimizer) {
  OptimizerBuilder builder(module, optimizer);
  builder.addNorms();
  builder.addUpdate();
}

} // namespace llmc::recipe
