//===- Passes.td - the passes on nn, in the order of the inference pipeline -----------*- tablegen -*-===//

#ifndef LLMC_PASSES_PASSES_TD
#define LLMC_PASSES_PASSES_TD

include "mlir/Pass/PassBase.td"

//===----------------------------------------------------------------------===//
// cache: what a step of generation keeps for the next
//===----------------------------------------------------------------------===//

def AddKvCache : Pass<"nn-add-kv-cache", "::mlir::ModuleOp"> {
  let summary = "keep the keys and values of earlier steps in caches";
  let description = [{
    Rewrites `nn.attention` into `nn.cache_append` and `nn.cached_attention`, so that a step computes keys and values for its own
    tokens only.

    Causal attention gets a cache that outlives the step: each function with such an attention takes it as a new last argument and
    returns the new cache as a new last result, and so do its callers, up to the public functions, whose new arguments are marked
    `nn.input = "cache"`. A function that is called twice gets two caches from its caller. Attention that is not causal needs no more
    than the keys of the step and gets an `nn.empty_cache`.

    The positions of the new keys are the public function's argument marked `nn.input = "positions"`, which is passed down where a
    function has not got it.

    A bias of relative positions becomes one of distances, which depends on parameters only.

    Attention that a cache cannot serve is left alone, with a remark: attention over packed sequences (`segments`), with another `bias`,
    between different sequences (cross attention), or in a nested region.

    Results are the same to the bit: a sequence in steps gives what it gives as a whole. With caches in f16 or bf16, keys and values are
    rounded.

    Before:

        func.func private @layer(%q: tensor<?x64xf32>, %k: tensor<?x32xf32>, %v: tensor<?x32xf32>) -> tensor<?x64xf32> {
          %y = nn.attention %q, %k, %v heads 2 kv_heads 1 scale 0.125 causal
                 : tensor<?x64xf32>, tensor<?x32xf32>, tensor<?x32xf32> -> tensor<?x64xf32>
          return %y : tensor<?x64xf32>
        }

    After:

        func.func private @layer(%q: tensor<?x64xf32>, %k: tensor<?x32xf32>, %v: tensor<?x32xf32>, %positions: tensor<?xi32>,
                                 %cache: !nn.kv_cache<1x32xf32>) -> (tensor<?x64xf32>, !nn.kv_cache<1x32xf32>) {
          %c = nn.cache_append %cache, %k, %v at %positions : ...
          %y = nn.cached_attention %q, %c at %positions heads 2 kv_heads 1 scale 0.125 causal : ...
          return %y, %c : tensor<?x64xf32>, !nn.kv_cache<1x32xf32>
        }
  }];
  let dependentDialects = ["::llmc::nn::NNDialect", "::mlir::arith::ArithDialect", "::mlir::func::FuncDialect"];
  let options = [
    Option<"elementType", "element-type", "std::string", "\"f32\"", "Precision in which keys and values are kept beyond a step: f32, f16 or bf16">,
  ];
}

//===----------------------------------------------------------------------===//
// precision: in which numbers products are computed
//===----------------------------------------------------------------------===//

def SetComputeType : Pass<"nn-set-compute-type", "::mlir::ModuleOp"> {
  let summary = "choose the element types of products";
  let description = [{
    Converts the weights of `nn.linear` and `nn.experts` to the type that products are computed in, and their input where that is bf16 (of
    all weights). Types:

    - `auto`: f16 becomes f32, which loses nothing; bf16 and block-quantized weights stay, since they save memory traffic.
    - `f32`: all weights, block-quantized ones included, become f32.
    - `bf16`: all weights become bf16.

    In all of these, vectors of parameters (norm weights, biases) and f16 tables of `nn.embedding` become f32.

    Results are the same to the bit for `f32`, and for `auto` without bf16 weights. bf16 rounds operands to 8 bits of mantissa;
    `bf16-inputs` does so for the inputs of products of quantized weights, which tensor cores multiply.

    Before:

        %y = nn.linear %x, %w : tensor<?x576xf32>, tensor<576x576xbf16> -> tensor<?x576xf32>

    After:

        %h = nn.convert %x : tensor<?x576xf32> -> tensor<?x576xbf16>
        %y = nn.linear %h, %w : tensor<?x576xbf16>, tensor<576x576xbf16> -> tensor<?x576xf32>
  }];
  let dependentDialects = ["::llmc::nn::NNDialect"];
  let options = [
    Option<"type", "type", "::llmc::passes::ComputeType", "::llmc::passes::ComputeType::Auto", "What products are computed in", [{::llvm::cl::values(
      clEnumValN(::llmc::passes::ComputeType::Auto, "auto", "as stored, but f32 instead of f16"),
      clEnumValN(::llmc::passes::ComputeType::F32, "f32", "single precision"),
      clEnumValN(::llmc::passes::ComputeType::BF16, "bf16", "bfloat16"))}]>,
    Option<"bf16Inputs", "bf16-inputs", "bool", "false", "Round the inputs of products of quantized weights to bf16 too">,
  ];
}

def QuantizeActivations : Pass<"nn-quantize-activations", "::mlir::ModuleOp"> {
  let summary = "quantize the inputs of products with quantized weights";
  let description = [{
    Converts the input of each `nn.linear` whose weight is block-quantized to `!nn.block<q16_k>` (or `q8_k`) and aligns the scales of the
    weight, so that the product is one of integers, with a unit for 128 of them on either side: it is exact in whatever order it is added up.
    Products with the same input share the conversion. So it does with `nn.experts`, if all three weights are. A table of `nn.embedding` that is a weight too is read with its scales aligned. An
    input of unknown width is left alone, with a remark.

    Activations are rounded to 16 or 8 bits: results stay within 0.05% or 5% of the largest.

    Before:

        %y = nn.linear %x, %w : tensor<?x576xf32>, tensor<576x576x!nn.block<q4_1>> -> tensor<?x576xf32>

    After:

        %a = nn.convert %w : tensor<576x576x!nn.block<q4_1>> -> tensor<576x576x!nn.block<q4_1, aligned>>
        %h = nn.convert %x : tensor<?x576xf32> -> tensor<?x576x!nn.block<q16_k>>
        %y = nn.linear %h, %a : tensor<?x576x!nn.block<q16_k>>, tensor<576x576x!nn.block<q4_1, aligned>> -> tensor<?x576xf32>
  }];
  let options = [
    Option<"bits", "bits", "int64_t", "16", "Bits of a code: 16 (q16_k), or 8 (q8_k), which is faster">,
  ];
  let dependentDialects = ["::llmc::nn::NNDialect"];
}

//===----------------------------------------------------------------------===//
// fuse: fewer and larger kernels
//===----------------------------------------------------------------------===//

def MergeLinears : Pass<"nn-merge-linears", "::mlir::ModuleOp"> {
  let summary = "compute sibling products as one";
  let description = [{
    Replaces `nn.linear` operations that read the same input by one with concatenated weights, and an `nn.split` of its result: query, key
    and value; the gate and the value of a gated MLP. The input is read (and normalized, and quantized) once.

    Weights must be parameters of the same element type, and all or none of the products have a bias; what prevents a merge is said in a
    remark.

    Results are the same to the bit.

    Before:

        %q = nn.linear %x, %wq : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
        %k = nn.linear %x, %wk : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>

    After:

        %w = nn.concat %wq, %wk : tensor<64x64xf32>, tensor<32x64xf32> -> tensor<96x64xf32>
        %y = nn.linear %x, %w : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
        %q, %k = nn.split %y : tensor<?x96xf32> -> tensor<?x64xf32>, tensor<?x32xf32>
  }];
  let dependentDialects = ["::llmc::nn::NNDialect"];
}

def Fuse : Pass<"nn-fuse", "::mlir::ModuleOp"> {
  let summary = "decide which operations become one kernel";
  let description = [{
    Wraps operations that are to be one kernel in `nn.fusion`, by the roles that they declare (`FusionOpInterface`):

    1. A product (`Contraction`) takes in the row-wise operations that make its input, if nothing else reads it (`RowWise`: norms,
       quantization), and what follows on values that are still in registers (`Elementwise`, `Layout`, `Store`: activations, residual
       sums, splits, rotations, cache writes). Where an operation could follow either of two products, it follows the later one.
    2. Connected row-wise and element-wise operations that are left become row-wise kernels: sums of embeddings with their norm.

    Operations that stay alone are kernels of their own. Nothing is moved across an operation that it depends on.

    Results are the same to the bit: a fusion means what its body means.

    Before:

        %n = nn.rms_norm %x, %g epsilon 1.0e-5 : tensor<?x64xf32>, tensor<64xf32>
        %y = nn.linear %n, %w : tensor<?x64xf32>, tensor<128x64xf32> -> tensor<?x128xf32>
        %s = nn.silu %y : tensor<?x128xf32>

    After:

        %s = nn.fusion(%a = %x, %b = %g, %c = %w) : (tensor<?x64xf32>, tensor<64xf32>, tensor<128x64xf32>) -> tensor<?x128xf32> {
          %n = nn.rms_norm %a, %b epsilon 1.0e-5 : tensor<?x64xf32>, tensor<64xf32>
          %y = nn.linear %n, %c : tensor<?x64xf32>, tensor<128x64xf32> -> tensor<?x128xf32>
          %s = nn.silu %y : tensor<?x128xf32>
          nn.yield %s : tensor<?x128xf32>
        }
  }];
  let dependentDialects = ["::llmc::nn::NNDialect"];
}

//===----------------------------------------------------------------------===//
// simplify: work that needs not be done, or not more than once
//===----------------------------------------------------------------------===//

def ShareFunctions : Pass<"nn-share-functions", "::mlir::ModuleOp"> {
  let summary = "make equal layers one function";
  let description = [{
    Private functions that do the same become one, with the parameters of each layer as arguments of its call, so that what follows is
    done, and generated, once for all of them. Callers of functions that became one may become one too. Public functions stay: they are
    called by name. (`duplicate-function-elimination` of MLIR removes those as well.)

    Results are the same to the bit.

    Before:

        %1 = call @layer_0(%0, %w0) : ...
        %2 = call @layer_1(%1, %w1) : ...
        func.func private @layer_0(%x: tensor<?x64xf32>, %w: tensor<64x64xf32> {nn.parameter}) ... { ... }
        func.func private @layer_1(%x: tensor<?x64xf32>, %w: tensor<64x64xf32> {nn.parameter}) ... { ... the same ... }

    After:

        %1 = call @layer_0(%0, %w0) : ...
        %2 = call @layer_0(%1, %w1) : ...
        func.func private @layer_0(%x: tensor<?x64xf32>, %w: tensor<64x64xf32> {nn.parameter}) ... { ... }
  }];
  let dependentDialects = ["::mlir::func::FuncDialect"];
}

def ExpandRope : Pass<"nn-expand-rope", "::mlir::ModuleOp"> {
  let summary = "compute rotary angles apart from the rotation";
  let description = [{
    Replaces `nn.rope` by an `nn.rope_table`, which depends on positions only, and an `nn.rotate` by it. Rotations by the same angles
    share the table.

    Results are the same to the bit: tables are f32 (or f64) whatever the activations are.

    Before:

        %y = nn.rope %q at %positions heads 9 dims 64 theta 1.0e5 half : tensor<?x576xf32>, tensor<?xi32>

    After:

        %t = nn.rope_table %positions dims 64 theta 1.0e5 : tensor<?xi32> -> tensor<?x64xf32>
        %y = nn.rotate %q by %t heads 9 half : tensor<?x576xf32>, tensor<?x64xf32>
  }];
  let dependentDialects = ["::llmc::nn::NNDialect"];
}

def HoistInvariants : Pass<"nn-hoist-invariants", "::mlir::ModuleOp"> {
  let summary = "move what does not depend on a layer's input to its callers";
  let description = [{
    Functions of layers are shared, so that what they compute of their parameters alone must be computed by their callers, who know the
    parameters. In private functions that are only called, operations on parameters move to every call site, and their results become
    arguments, marked `nn.parameter`. So do rotary tables that depend on an argument, which all layers then share (after `cse`). Arguments
    that nothing reads any more are removed.

    Results are the same to the bit.

    Before:

        func.func private @layer(%x: tensor<?x64xf32>, %wq: tensor<64x64xf32> {nn.parameter}, %wk: tensor<32x64xf32> {nn.parameter}) ... {
          %w = nn.concat %wq, %wk : tensor<64x64xf32>, tensor<32x64xf32> -> tensor<96x64xf32>
          ...
        }
        %y = call @layer(%x, %wq, %wk)

    After:

        func.func private @layer(%x: tensor<?x64xf32>, %w: tensor<96x64xf32> {nn.parameter}) ... { ... }
        %w = nn.concat %wq, %wk : tensor<64x64xf32>, tensor<32x64xf32> -> tensor<96x64xf32>
        %y = call @layer(%x, %w)
  }];
  let dependentDialects = ["::llmc::nn::NNDialect", "::mlir::func::FuncDialect"];
}

def MaterializeParams : Pass<"nn-materialize-params", "::mlir::ModuleOp"> {
  let summary = "turn computations on parameters into derived parameters";
  let description = [{
    What depends on loads of parameters only is computed once, when the program is compiled: it becomes the initializer of a new
    `nn.param`, and its result a load of that. Equal initializers are one parameter. Initializers do not refer to derived parameters: these
    are written out, and removed if nothing else reads them.

    Results are the same to the bit.

    Before:

        %q = nn.load @q : tensor<64x64xf16>
        %w = nn.convert %q : tensor<64x64xf16> -> tensor<64x64xf32>

    After:

        nn.param @q.convert : tensor<64x64xf32> = {
          %q = nn.load @q : tensor<64x64xf16>
          %w = nn.convert %q : tensor<64x64xf16> -> tensor<64x64xf32>
          nn.yield %w : tensor<64x64xf32>
        }
        %w = nn.load @q.convert : tensor<64x64xf32>
  }];
  let dependentDialects = ["::llmc::nn::NNDialect"];
}

//===----------------------------------------------------------------------===//
// autodiff: from a loss to its gradients
//===----------------------------------------------------------------------===//

def FixRows : Pass<"nn-fix-rows", "::mlir::ModuleOp"> {
  let summary = "give all activations a known number of rows";
  let description = [{
    Sizes that were open become `rows`: a program for training takes the same number of tokens in each step.

    Before:

        %y = nn.silu %x : tensor<?x64xf32>

    After, with `rows=2048`:

        %y = nn.silu %x : tensor<2048x64xf32>
  }];
  let dependentDialects = ["::llmc::nn::NNDialect"];
  let options = [Option<"rows", "rows", "int64_t", "0", "Rows that a step has">];
}

def Differentiate : Pass<"nn-differentiate", "::mlir::ModuleOp"> {
  let summary = "add the gradients of parameters to a function";
  let description = [{
    Turns the public function `function`, whose calls have been inlined, into one that returns gradients too (reverse mode). It gets a new
    last argument for each result that is differentiable, marked `nn.seed`: the gradient of the result, of its type. It gets a new last
    result for each use of a parameter that a result depends on in a differentiable way, marked `nn.gradient`: the sum over results and
    elements of seed * d result / d use. The gradient of a parameter is the sum of the results that name it. Parameters that are marked `nn.frozen` are none, and nothing is computed for them.

    Each operation builds its part by its DifferentiableOpInterface; one that does not is refused by name. Operations of the forward part
    stay, and those of the backward part follow in reverse order.

    Before:

        nn.param @w : tensor<32x64xf32>
        func.func @loss(%x: tensor<8x64xf32>) -> tensor<8x32xf32> {
          %w = nn.load @w : tensor<32x64xf32>
          %y = nn.linear %x, %w : tensor<8x64xf32>, tensor<32x64xf32> -> tensor<8x32xf32>
          return %y : tensor<8x32xf32>
        }

    After:

        func.func @loss(%x: tensor<8x64xf32>, %dy: tensor<8x32xf32> {nn.seed = 0 : i64})
            -> (tensor<8x32xf32>, tensor<32x64xf32> {nn.gradient = @w}) {
          ...
          %dw = linalg.generic ... ins(%dy, %x : ...) ...
          return %y, %dw : tensor<8x32xf32>, tensor<32x64xf32>
        }
  }];
  let dependentDialects = ["::llmc::nn::NNDialect", "::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
    "::mlir::linalg::LinalgDialect", "::mlir::math::MathDialect", "::mlir::tensor::TensorDialect"];
  let options = [Option<"function", "function", "std::string", "\"loss\"", "The function to differentiate">];
}

//===----------------------------------------------------------------------===//
// train: from operations to the loops that training lowers
//===----------------------------------------------------------------------===//

def Decompose : Pass<"nn-decompose", "::mlir::ModuleOp"> {
  let summary = "replace operations of nn by structured operations of linalg";
  let description = [{
    Norms, activations, products and losses become the structured operations of their formulas (AggregatedOpInterface), which can be fused
    with those of gradients. What has kernels of its own stays: attention, gathers, rotations.

    Before:

        %y = nn.silu %x : tensor<8x64xf32>

    After:

        %y = linalg.generic {iterator_types = ["parallel", "parallel"], ...} ins(%x : tensor<8x64xf32>) ... {
          ^bb0(%a: f32, %b: f32):
            %e = math.exp ...
        }
  }];
  let dependentDialects = ["::llmc::nn::NNDialect", "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::math::MathDialect", "::mlir::tensor::TensorDialect"];
}

def FuseStructured : Pass<"nn-fuse-structured", "::mlir::ModuleOp"> {
  let summary = "fuse structured operations on single elements into what reads them";
  let description = [{
    A structured operation without reductions is computed where its result is read: in the only operation that reads it, or, where its
    formula costs little, in all of them, so that its result needs no memory. Products are left alone: they have kernels of their own.
    What is read as it is and rounded too is rounded where it is computed.

    Results are the same to the bit.
  }];
  let dependentDialects = ["::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"];
}

def RoundProducts : Pass<"nn-round-products", "::mlir::ModuleOp"> {
  let summary = "round the operands of products to 16 bits";
  let description = [{
    Mixed precision for training: each product of two f32 matrices rounds their elements to bf16, or with `half` to f16, and sums in f32. Weights, sums, norms,
    losses and what optimizers keep stay f32. Weights are rounded where they are multiplied, what is computed in a tensor of its own,
    which all products share and the backward part keeps.

    Before:

        %y = linalg.generic {...} ins(%x, %w : tensor<64x32xf32>, tensor<48x32xf32>) ...
          ^bb0(%a: f32, %b: f32, %sum: f32):
            %p = arith.mulf %a, %b : f32

    After:

        %h = linalg.generic {...} ins(%x : tensor<64x32xf32>) outs(%e : tensor<64x32xbf16>) { ... arith.truncf ... }
        %y = linalg.generic {...} ins(%h, %w : tensor<64x32xbf16>, tensor<48x32xf32>) ...
          ^bb0(%a: bf16, %b: f32, %sum: f32):
            %0 = arith.extf %a : bf16 to f32
            %1 = arith.truncf %b : f32 to bf16
            %2 = arith.extf %1 : bf16 to f32
            %p = arith.mulf %0, %2 : f32
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"];
  let options = [Option<"half", "half", "bool", "false", "Round to f16 instead of bf16">];
}

#endif // LLMC_PASSES_PASSES_TD
