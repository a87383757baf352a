//===- Adafactor.cpp - steps by factors of mean squares -----------------------------------------------------===//

#include "frontend/recipe/Adafactor.h"

#include "frontend/recipe/MatrixFormulas.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace llmc::recipe {

namespace {

class StepBuilder : MatrixFormulas {
public:
  StepBuilder(ImplicitLocOpBuilder &b, const train::Optimizer::Adafactor &form, Value decay)
      : MatrixFormulas(b), form(form), decay(decay) {}

  AdafactorStep build(Value parameter, Value gradient, ValueRange states) {
    AdafactorStep step;
    Value update;
    if (shapeOf(parameter).size() == 1) {
      const int64_t n = shapeOf(parameter)[0];
      step.states = {next(states[0], squares(gradient, {0}, {n}), 1)};
      update =
          compute({gradient, step.states[0]}, {{0}, {0}}, 1, {n},
                  [](ImplicitLocOpBuilder &body, ValueRange v) { return div(body, v[0], root(body, v[1])); });
    } else {
      const int64_t n = shapeOf(parameter)[0], m = shapeOf(parameter)[1];
      step.states = {next(states[0], squares(gradient, {0, 1}, {n}), m),
                     next(states[1], squares(gradient, {1, 0}, {m}), n)};
      update = compute({gradient, step.states[0], sum(step.states[0]), step.states[1]},
                       {{0, 1}, {0}, {}, {1}}, 2, {n, m}, [&](ImplicitLocOpBuilder &body, ValueRange v) {
                         Value mean = div(body, v[2], number(body, static_cast<double>(n)));
                         Value row = root(body, div(body, v[1], mean));
                         return div(body, v[0], mul(body, row, root(body, v[3])));
                       });
    }
    step.direction = clip(update);
    step.scale =
        compute({meanSquare(parameter)}, {{0}}, 1, {1}, [&](ImplicitLocOpBuilder &body, ValueRange v) {
          return larger(body, root(body, v[0]), number(body, form.epsilon2()));
        });
    return step;
  }

private:
  /// Sums of squares: those of elements for each place of the result.
  Value squares(Value gradient, Dims dims, ArrayRef<int64_t> shape) {
    return compute({gradient}, {dims}, dims.size(), shape, [&](ImplicitLocOpBuilder &body, ValueRange v) {
      return add(body, mul(body, v[0], v[0]), number(body, form.epsilon1()));
    });
  }

  /// The next mean of squares, of which `sums` are those of `count` elements.
  Value next(Value state, Value sums, int64_t count) {
    return compute({state, sums, decay}, {{0}, {0}, {}}, 1, shapeOf(state),
                   [&](ImplicitLocOpBuilder &body, ValueRange v) {
                     Value mean = div(body, v[1], number(body, static_cast<double>(count)));
                     Value fresh = mul(body, sub(body, number(body, 1), v[2]), mean);
                     return add(body, mul(body, v[2], v[0]), fresh);
                   });
  }

  Value meanSquare(Value value) {
    int64_t elements = 1;
    for (int64_t size : shapeOf(value))
      elements *= size;
    return compute({sumOfSquares(value)}, {{0}}, 1, {1}, [&](ImplicitLocOpBuilder &body, ValueRange v) {
      return div(body, v[0], number(body, static_cast<double>(elements)));
    });
  }

  /// Limits the root mean square of `update`.
  Value clip(Value update) {
    const SmallVector<unsigned> loops = llvm::to_vector(llvm::seq<unsigned>(0, shapeOf(update).size()));
    return compute({update, meanSquare(update)}, {loops, {}}, loops.size(), shapeOf(update),
                   [&](ImplicitLocOpBuilder &body, ValueRange v) {
                     Value part = div(body, root(body, v[1]), number(body, form.clip_threshold()));
                     return div(body, v[0], larger(body, part, number(body, 1)));
                   });
  }

  const train::Optimizer::Adafactor &form;
  const Value decay; ///< [1]
};

} // namespace

AdafactorStep buildAdafactorStep(ImplicitLocOpBuilder &b, const train::Optimizer::Adafactor &form,
                                 Value parameter, Value gradient, ValueRange states, Value hyper,
                                 unsigned decay) {
  Value kept = tensor::ExtractSliceOp::create(b, hyper, ArrayRef<OpFoldResult>{b.getIndexAttr(decay)},
                                              ArrayRef<OpFoldResult>{b.getIndexAttr(1)},
                                              ArrayRef<OpFoldResult>{b.getIndexAttr(1)});
  return StepBuilder(b, form, kept).build(parameter, gradient, states);
}

} // namespace llmc::recipe
