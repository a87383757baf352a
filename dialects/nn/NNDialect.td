//===- NNDialect.td - the model dialect ----------------------------------------------*- tablegen -*-===//

#ifndef LLMC_DIALECTS_NN_NNDIALECT_TD
#define LLMC_DIALECTS_NN_NNDIALECT_TD

include "mlir/IR/OpBase.td"

def NN_Dialect : Dialect {
  let name = "nn";
  let cppNamespace = "::llmc::nn";
  let summary = "Transformers at the granularity of the papers that describe them";
  let description = [{
    Value semantics on tensors. An activation is a matrix `[tokens, width]`: the tokens of a step are rows, whatever
    sequence they belong to, and heads lie side by side in the width. A weight is `[out, in]`, as checkpoints store it.

    Parameters are symbols (`nn.param`) whose contents stay in the checkpoint; a parameter that is computed from others
    (concatenated, converted, packed) carries that computation as its initializer, and the compiler runs it as a stream.

    What upstream has is taken from upstream: functions and calls (`func`), element-wise sums and products (`arith`),
    `math`, control flow (`scf`).
  }];
  let useDefaultTypePrinterParser = 1;
  let useDefaultAttributePrinterParser = 1;
  let hasConstantMaterializer = 0;
  // Operations that interfaces of nn create: sizes and slices.
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect", "::mlir::tensor::TensorDialect"];
}

#endif // LLMC_DIALECTS_NN_NNDIALECT_TD
